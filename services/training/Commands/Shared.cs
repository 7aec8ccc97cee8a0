using System.CommandLine;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Spectre.Console;
using TorchSharp;

namespace Affect.Training.Commands;

/// <summary>The options that commands share, each with an environment variable behind it, and how failures end.</summary>
internal static class Shared
{
    private const int Failed = 1, Interrupted = 130;

    public static Option<string> Model { get; } = new("--model")
    {
        Description = $"Model: {string.Join(", ", Architecture.All.Keys)}.",
        Required = true,
    };

    public static Option<string> Data { get; } = new("--data")
    {
        Description = "Folder with the corpora: ravdess/ savee/ tess/ fer2013/. [env: AFFECT_DATA]",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("AFFECT_DATA") ?? "",
    };

    public static Option<string> Run { get; } = new("--run")
    {
        Description = "Folder for prepared data and checkpoints. [env: AFFECT_RUN]",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("AFFECT_RUN") ?? Path.Combine("artifacts", "training-run"),
    };

    public static Option<string> Splits { get; } = new("--splits")
    {
        Description = "Folder with the splits.",
        DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "splits"),
    };

    public static Option<string?> Protocol { get; } = new("--protocol")
    {
        Description = "Name of a split; the default is that of the shipped weights (speech-random, fer2013-official).",
    };

    public static Option<string> Models { get; } = new("--models")
    {
        Description = "The model repository.",
        DefaultValueFactory = _ => Path.Combine("services", "models"),
    };

    public static Option<int> Threads { get; } = new("--threads")
    {
        Description = "Threads of torch. [env: AFFECT_THREADS]",
        DefaultValueFactory = _ => int.TryParse(Environment.GetEnvironmentVariable("AFFECT_THREADS"), out var threads) ? threads : Environment.ProcessorCount,
    };

    /// <summary>Refuses a model that nobody knows.</summary>
    static Shared() => Model.AcceptOnlyFromAmong([.. Architecture.All.Keys]);

    /// <summary>The folders that a command line names.</summary>
    public static Workspace Workspace(ParseResult parsed)
    {
        var data = parsed.GetValue(Data)!;
        return data.Length > 0
            ? new(data, parsed.GetValue(Run)!, parsed.GetValue(Splits)!)
            : throw new IOException("no data folder: give --data or set AFFECT_DATA");
    }

    /// <summary>The architecture and protocol that a command line names.</summary>
    public static (Architecture Architecture, string Protocol) Choice(ParseResult parsed)
    {
        var architecture = Architecture.All[parsed.GetValue(Model)!];
        return (architecture, parsed.GetValue(Protocol) ?? Affect.Training.Data.Workspace.DefaultProtocol(architecture));
    }

    /// <summary>Runs a command: failures that a user can mend end with one line on standard error, Ctrl-C with 130.</summary>
    public static async Task<int> Guard(Func<Task> run)
    {
        try
        {
            await run();
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("interrupted; the same command goes on from here");
            return Interrupted;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"error: {exception.Message}");
            return Failed;
        }
    }

    /// <summary>Loads torch; says what is needed where it cannot be loaded.</summary>
    public static void StartTorch(int threads)
    {
        try
        {
            torch.set_num_threads(threads);
        }
        catch (Exception exception) when (exception is DllNotFoundException or TypeInitializationException or EntryPointNotFoundException or NotSupportedException)
        {
            throw new IOException(
                "torch cannot be loaded: it needs 64-bit Linux with glibc 2.28 and libstdc++ of GCC 13 or later " +
                $"(GLIBCXX_3.4.32: Debian 13, Ubuntu 24.04) and libgomp1. {(exception.InnerException ?? exception).Message.Split('\n')[0]}", exception);
        }
    }

    /// <summary>Reads a data set behind a progress bar, and prints what was found.</summary>
    public static async Task<DataSet> LoadAsync(Workspace workspace, Architecture architecture, string protocol, CancellationToken cancellation)
    {
        var report = new Report();
        var data = await WithProgress("reading clips", (progress, stop) => workspace.LoadAsync(architecture, protocol, report, progress, stop), cancellation);
        foreach (var line in report.Lines)
            Console.WriteLine($"  {line}");
        Console.WriteLine($"{data.Data}, {data.Protocol}: {data.Train.Count} to train, {data.Validation.Count} to validate, {data.Test.Count} to test");
        return data;
    }

    /// <summary>Shows a bar on a terminal, a line now and then elsewhere.</summary>
    public static async Task<T> WithProgress<T>(string what, Func<Action<int, int>, CancellationToken, Task<T>> run, CancellationToken cancellation)
    {
        if (Console.IsOutputRedirected)
            return await run((done, all) =>
            {
                if (done % 500 == 0 || done == all)
                    Console.WriteLine($"{what} {done}/{all}");
            }, cancellation);
        return await AnsiConsole.Progress().AutoClear(true).StartAsync(async context =>
        {
            var task = context.AddTask(what, autoStart: false);
            return await run((done, all) =>
            {
                task.StartTask();
                (task.MaxValue, task.Value) = (all, done);
            }, cancellation);
        });
    }
}
