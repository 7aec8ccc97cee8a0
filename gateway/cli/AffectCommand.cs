using System.CommandLine;
using Affect.Cli.Load;
using Affect.Client;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary>The root command: common options, error messages and exit codes.</summary>
internal static class AffectCommand
{
    private static readonly Option<string> Address = new("--address")
    {
        Description = "gRPC address of the gateway [env: AFFECT_ADDRESS]",
        HelpName = "URL",
        Recursive = true,
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("AFFECT_ADDRESS") is { Length: > 0 } address
            ? address
            : AffectClientOptions.DefaultAddress,
    };

    private static readonly Option<string?> ApiKey = new("--api-key")
    {
        // Without a default, which help would print.
        Description = "API key; use the variable to keep it out of the process list [env: AFFECT_API_KEY]",
        HelpName = "KEY",
        Recursive = true,
    };

    private static readonly Option<double> Timeout = new Option<double>("--timeout")
    {
        Description = "Deadline of one request in seconds",
        HelpName = "SECONDS",
        Recursive = true,
        DefaultValueFactory = _ => 60,
    }.WithRange(0.001, 3600, " seconds");

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("""
            Recognizes seven emotions from voices and faces.
            Exit codes:
              0    every clip has a result, every call its summary
              1    a file, call or name failed; the others were analyzed
              2    invalid command line
              65   'affect batch' left out files without audio that can be decoded
              69   the server is unreachable, or the address is not its gRPC port
              77   the server requires a key or rejected it
              130  interrupted
            """)
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

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                WriteError(error.Message);
            Console.Error.WriteLine("Try 'affect --help' for more information.");
            return ExitCode.Usage;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // After Ctrl-C a call is completed.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(10),
        });
    }

    /// <summary>Runs a command with a client for the server in the options; turns exceptions into messages and exit codes.</summary>
    public static async Task<int> RunWithClientAsync(
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
            WriteError($"--address: '{address}' must be http://HOST:PORT, https://HOST:PORT or dns:///NAME:PORT");
            return ExitCode.Usage;
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.Unavailable)
        {
            WriteError($"{address}: {exception.Message}");
            return ExitCode.Unavailable;
        }
        catch (AffectException exception) when (exception.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            WriteError($"{address}: {exception.Message} (see --api-key)");
            return ExitCode.NoPermission;
        }
        catch (AffectException exception)
        {
            WriteError(exception.Message);
            return ExitCode.Failed;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }

    /// <summary>Writes a message to standard error in the form of Unix tools.</summary>
    public static void WriteError(string message) => Console.Error.WriteLine($"affect: {message}");

    /// <summary>Creates a console for standard output: plain text of fixed width unless it is a terminal.</summary>
    public static IAnsiConsole CreateConsole()
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
