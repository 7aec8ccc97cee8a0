using System.Diagnostics;
using System.Text.Json;

namespace Affect.FunctionalTests;

/// <summary>The result of one run of <c>affect</c>.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>The command line as a process.</summary>
internal static class CommandLine
{
    private const int SigInt = 2;

    /// <summary>The command, from its own output folder: the copy in the tests' folder lacks the ASP.NET Core runtime configuration.</summary>
    public static string[] Program { get; } =
    [
        "dotnet",
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Affect.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "affect.dll")),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Runs it until it exits.</summary>
    public static async Task<CommandResult> RunAsync(
        byte[]? input, string address, (string Name, string Value)[] environment, params string[] arguments)
    {
        using var process = Start(address, environment, arguments);
        if (input is not null)
            await process.StandardInput.BaseStream.WriteAsync(input, Cancellation);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(Cancellation);
        var error = process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);
        return new CommandResult(process.ExitCode, await output, await error);
    }

    /// <summary>Starts it, with its streams redirected.</summary>
    public static Process Start(string address, (string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Program[0], [.. Program[1..], .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["AFFECT_ADDRESS"] = address;
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Sends the signal of Ctrl-C.</summary>
    public static async Task InterruptAsync(Process process)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -INT {process.Id}"]);
        await kill.WaitForExitAsync(Cancellation);
    }

    /// <summary>A shell that starts tests in the background ignores interrupts, and child processes inherit that.</summary>
    public static void SkipWhereInterruptsAreIgnored()
    {
        var ignored = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))["SigIgn:".Length..];
        Assert.SkipWhen((Convert.ToInt64(ignored.Trim(), 16) & (1 << (SigInt - 1))) != 0, "SIGINT is ignored here");
    }

    /// <summary>One JSON value per line.</summary>
    public static List<JsonElement> Lines(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
}
