using System.Diagnostics;

namespace Affect.FunctionalTests;

/// <summary>Processes with invalid settings: standard error is the termination message of their containers.</summary>
public sealed class StartupTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Fusion", "Fusion:MaxCalls: ", "Fusion__MaxCalls=0")]
    [InlineData("Features", "Features:MaxConcurrency: ", "Features__MaxConcurrency=-1")]
    [InlineData("Speech", "Speech:MaxBatchSize: ", "Speech__MaxBatchSize=0")]
    [InlineData("Face", "Failed to convert configuration value 'many' at 'Face:MaxBatchSize' ", "Face__MaxBatchSize=many")]
    [InlineData("Gateway", "Gateway:ApiKeys:me: Sha256 must be 64 hexadecimal digits", "Gateway__ApiKeys__me__Sha256=secret")]
    [InlineData("Local", "Server:TlsPath: '/nowhere' must contain tls.crt", "Server__TlsPath=/nowhere")]
    public async Task Process_InvalidSetting_PrintsOneLineAndExits(string service, string message, string setting)
    {
        var (exitCode, output, error) = await RunAsync(service, setting);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.StartsWith(message, Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Process_InvalidSettingsOfTwoSections_PrintsALineForEach()
    {
        var (exitCode, output, error) = await RunAsync("Gateway", "Server__GrpcPort=70000", "Gateway__FusionAddress=nonsense", "Gateway__ApiKeys__me__Sha256=x");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Equal(
            ["Gateway:ApiKeys:me", "Gateway:FusionAddress", "Server:GrpcPort"],
            error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[..line.IndexOf(": ", StringComparison.Ordinal)]).Order());
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string service, params string[] environment)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, $"../../Affect.{service}", new DirectoryInfo(AppContext.BaseDirectory).Name);
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, $"Affect.{service}.dll")])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var setting in environment)
            start.Environment[setting[..setting.IndexOf('=', StringComparison.Ordinal)]] = setting[(setting.IndexOf('=', StringComparison.Ordinal) + 1)..];
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(Cancellation);
            var error = process.StandardError.ReadToEndAsync(Cancellation);
            await process.WaitForExitAsync(Cancellation).WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            process.Kill();
        }
    }
}
