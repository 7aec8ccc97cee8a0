using System.CommandLine;
using Affect.Client;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary>The command line: what all commands share, and what becomes of errors.</summary>
internal static class AffectCommand
{
    private static readonly Option<string> Address = new("--address")
    {
        Description = "The gateway's gRPC address [env: AFFECT_ADDRESS]",
        HelpName = "URL",
        Recursive = true,
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("AFFECT_ADDRESS") is { Length: > 0 } address
            ? address
            : AffectClientOptions.DefaultAddress,
    };

    private static readonly Option<string?> ApiKey = new("--api-key")
    {
        // No default that help would print.
        Description = "The key to show to the gateway [env: AFFECT_API_KEY, which other users cannot see in the process list]",
        HelpName = "KEY",
        Recursive = true,
    };

    private static readonly Option<double> Timeout = new("--timeout")
    {
        Description = "Seconds that one analysis may take",
        HelpName = "SECONDS",
        Recursive = true,
        DefaultValueFactory = _ => 60,
    };

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("Tells which of seven emotions a voice and a face show.")
        {
            AnalyzeCommand.Create(),
            StreamCommand.Create(),
            BatchCommand.Create(),
            ModelsCommand.Create(),
            LoadCommand.Create(),
        };
        root.Add(Address);
        root.Add(ApiKey);
        root.Add(Timeout);
        Timeout.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !(result.GetValueOrDefault<double>() is >= 0.001 and <= 3600))
                result.AddError("--timeout must be from 0.001 to 3600 seconds");
        });

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                Complain(error.Message);
            Console.Error.WriteLine("Try 'affect --help' for more information.");
            return ExitCode.Usage;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // After Ctrl-C: a call is brought to its end.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(10),
        });
    }

    /// <summary>Runs a command against the server that the options name; what it throws becomes a message and an exit code.</summary>
    public static async Task<int> CallAsync(
        ParseResult parsed, Func<AffectClient, Task<int>> command, CancellationToken cancellation)
    {
        var address = parsed.GetRequiredValue(Address);
        if (!address.Contains("://", StringComparison.Ordinal) && !address.StartsWith("dns:", StringComparison.Ordinal))
            address = "http://" + address;
        try
        {
            using var client = new AffectClient(new AffectClientOptions
            {
                Address = address,
                ApiKey = parsed.GetValue(ApiKey) ?? Environment.GetEnvironmentVariable("AFFECT_API_KEY"),
                Deadline = TimeSpan.FromSeconds(parsed.GetValue(Timeout)),
            });
            return await command(client);
        }
        catch (ArgumentException exception) when (exception.ParamName == "options")
        {
            Complain($"--address: '{address}' is none of http://HOST:PORT, https://HOST:PORT, dns:///NAME:PORT");
            return ExitCode.Usage;
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.Unavailable)
        {
            Complain($"{address}: {exception.Message}");
            return ExitCode.Unavailable;
        }
        catch (AffectException exception) when (exception.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            Complain($"{address}: {exception.Message} (see --api-key)");
            return ExitCode.NoPermission;
        }
        catch (AffectException exception)
        {
            Complain(exception.Message);
            return ExitCode.Failed;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }

    /// <summary>A message on standard error, as Unix tools write it.</summary>
    public static void Complain(string message) => Console.Error.WriteLine($"affect: {message}");

    /// <summary>Standard output: plain text of a fixed width where it is no terminal.</summary>
    public static IAnsiConsole Out()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
        });
        if (Console.IsOutputRedirected)
            console.Profile.Width = 100;
        return console;
    }
}
