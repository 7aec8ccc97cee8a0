using System.CommandLine;
using System.ComponentModel;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Spectre.Console;
using TorchSharp;

namespace Affect.Training.Commands;

/// <summary>The options that commands share, each with an environment variable behind it, and how failures end.</summary>
internal static class Shared
{
    private const int Failed = 1, Interrupted = 130;

    public static Option<string> Model { get; } = Option("--model", $"Model: {string.Join(", ", Architecture.All.Keys)}.", "");

    public static Option<string> Data { get; } = Option("--data", "Folder with the corpora: ravdess/ savee/ tess/ cremad/ fer2013/.", "");

    public static Option<string> Run { get; } = Option("--run", "Folder for prepared data and checkpoints.", Path.Combine("artifacts", "training-run"));

    public static Option<string> Splits { get; } = Option("--splits", "Folder with the splits.", Path.Combine(AppContext.BaseDirectory, "splits"));

    public static Option<string> Protocol { get; } = Option("--protocol",
        "Name of a split, for evaluate also of several folds (speech-ravdess); the default is that of the shipped weights (speech-random, fer2013-official).", "");

    public static Option<string> Models { get; } = Option("--models", "The model repository.", Path.Combine("services", "models"));

    public static Option<int> Threads { get; } = Option("--threads", "Threads of torch.", Environment.ProcessorCount);

    /// <summary>An option with a variable of the environment behind it: AFFECT_DATA behind --data.</summary>
    public static Option<T> Option<T>(string name, string description, T fallback)
    {
        var variable = $"AFFECT_{name.TrimStart('-').Replace('-', '_').ToUpperInvariant()}";
        return new(name)
        {
            Description = $"{description} [env: {variable}]",
            DefaultValueFactory = result =>
            {
                if (Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } text)
                    return fallback;
                try
                {
                    return (T)TypeDescriptor.GetConverter(typeof(T)).ConvertFromInvariantString(text)!;
                }
                catch (Exception exception) when (exception is ArgumentException or FormatException)
                {
                    result.AddError($"{variable}: '{text}' is nothing for {name}");
                    return fallback;
                }
            },
        };
    }

    /// <summary>The folders that a command line names.</summary>
    public static Workspace Workspace(ParseResult parsed)
    {
        var data = parsed.GetValue(Data)!;
        if (data.Length == 0)
            throw new IOException("no data folder: give --data or set AFFECT_DATA");
        return Directory.Exists(data)
            ? new(data, parsed.GetValue(Run)!, parsed.GetValue(Splits)!)
            : throw new DirectoryNotFoundException($"no folder {data}: --data or AFFECT_DATA must name the one that holds the corpora");
    }

    /// <summary>The architecture and protocol that a command line names.</summary>
    public static (Architecture Architecture, string Protocol) Choice(ParseResult parsed)
    {
        var name = parsed.GetValue(Model)!;
        if (!Architecture.All.TryGetValue(name, out var architecture))
            throw new InvalidDataException((name.Length == 0 ? "no model: give --model or set AFFECT_MODEL" : $"no model {name}") +
                $"; there are {string.Join(", ", Architecture.All.Keys)}");
        return (architecture, parsed.GetValue(Protocol) is { Length: > 0 } protocol ? protocol : Affect.Training.Data.Workspace.DefaultProtocol(architecture));
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
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException or System.Runtime.InteropServices.ExternalException)
        {
            // What torch says (ExternalException: out of memory, a device that fails) has its own stack behind the first line.
            await Console.Error.WriteLineAsync($"error: {(exception is System.Runtime.InteropServices.ExternalException ? exception.Message.Split('\n')[0] : exception.Message)}");
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
    public static Task<DataSet> LoadAsync(Workspace workspace, Architecture architecture, string protocol, CancellationToken cancellation) =>
        LoadAsync(workspace, architecture, architecture.Recipe, protocol, cancellation);

    /// <summary>The same for another recipe than the architecture's last.</summary>
    public static async Task<DataSet> LoadAsync(Workspace workspace, Architecture architecture, Recipe recipe, string protocol, CancellationToken cancellation) =>
        (await LoadAsync(workspace, architecture, recipe, [protocol], cancellation))[0];

    /// <summary>The same in several splits, read once.</summary>
    public static async Task<List<DataSet>> LoadAsync(
        Workspace workspace, Architecture architecture, Recipe recipe, IReadOnlyList<string> protocols, CancellationToken cancellation)
    {
        var report = new Report();
        var sets = await WithProgress("reading clips", async (progress, stop) =>
        {
            var open = await workspace.OpenAsync(architecture, recipe, report, progress, stop);
            return protocols.Select(open).ToList();
        }, cancellation);
        foreach (var line in report.Lines)
            Console.WriteLine($"  {line}");
        foreach (var data in sets)
            Console.WriteLine($"{data.Data}, {data.Protocol}: {data.Train.Count} to train, {data.Validation.Count} to validate, {data.Test.Count} to test");
        return sets;
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
