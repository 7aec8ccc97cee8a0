using System.CommandLine;
using System.ComponentModel;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Spectre.Console;
using TorchSharp;
using ExternalException = System.Runtime.InteropServices.ExternalException;

namespace Affect.Training.Commands;

/// <summary>Options and steps that several commands use.</summary>
internal static class CommonOptions
{
    private const int Failed = 1, Interrupted = 130;

    public static Option<string> Model { get; } = Option("--model", $"Model: {string.Join(", ", Architecture.All.Keys)}.", "");

    public static Option<string> Data { get; } = Option("--data", "Folder of the corpora: ravdess/ savee/ tess/ casia/ … fer2013/.", "");

    public static Option<string> Run { get; } = Option(
        "--run", "Folder of the run: prepared data and checkpoints.", Path.Combine("artifacts", "training-run"));

    public static Option<string> Splits { get; } = Option(
        "--splits", "Folder of the splits.", Path.Combine(AppContext.BaseDirectory, "splits"));

    public static Option<string> Protocol { get; } = Option("--protocol",
        "Name of a split or, for evaluate, common prefix of several folds (speech-ravdess). The default is the split of the shipped " +
        "weights (speech-random, fer2013-official).", "");

    public static Option<string> Models { get; } = Option("--models", "Model repository.", Path.Combine("services", "models"));

    public static Option<int> Threads { get; } = Option("--threads", "Number of torch threads.", Environment.ProcessorCount);

    /// <summary>An option that defaults to an environment variable: --data to AFFECT_DATA.</summary>
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
                    result.AddError($"{variable}: '{text}' is not valid for {name}");
                    return fallback;
                }
            },
        };
    }

    /// <summary>The workspace selected on the command line.</summary>
    public static Workspace Workspace(ParseResult parsed)
    {
        var data = parsed.GetValue(Data)!;
        if (data.Length == 0)
            throw new IOException("no data folder: set --data or AFFECT_DATA");
        return Directory.Exists(data)
            ? new(data, parsed.GetValue(Run)!, parsed.GetValue(Splits)!)
            : throw new DirectoryNotFoundException($"folder {data} not found: --data or AFFECT_DATA must be the folder of the corpora");
    }

    /// <summary>The architecture and protocol selected on the command line.</summary>
    public static (Architecture Architecture, string Protocol) SelectModel(ParseResult parsed)
    {
        var name = parsed.GetValue(Model)!;
        if (!Architecture.All.TryGetValue(name, out var architecture))
            throw new InvalidDataException((name.Length == 0 ? "no model: set --model or AFFECT_MODEL" : $"unknown model {name}") +
                $"; must be one of {string.Join(", ", Architecture.All.Keys)}");
        return (architecture, parsed.GetValue(Protocol) is { Length: > 0 } protocol ? protocol
            : Affect.Training.Data.Workspace.DefaultProtocol(architecture));
    }

    /// <summary>
    /// Runs a command. Errors that the user can fix are printed as one line on standard error (exit code 1); Ctrl-C exits with 130.
    /// </summary>
    public static async Task<int> InvokeAsync(Func<Task> run)
    {
        try
        {
            await run();
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("interrupted; run the same command again to resume");
            return Interrupted;
        }
        catch (Exception exception) when (
            exception is IOException or InvalidDataException or UnauthorizedAccessException or ExternalException)
        {
            // In errors of torch (ExternalException: out of memory, device errors) a native stack follows the first line.
            await Console.Error.WriteLineAsync(
                $"error: {(exception is ExternalException ? exception.Message.Split('\n')[0] : exception.Message)}");
            return Failed;
        }
    }

    /// <summary>Loads torch.</summary>
    /// <exception cref="IOException">torch cannot be loaded; the message states its requirements.</exception>
    public static void StartTorch(int threads)
    {
        try
        {
            torch.set_num_threads(threads);
        }
        catch (Exception exception) when (
            exception is DllNotFoundException or TypeInitializationException or EntryPointNotFoundException or NotSupportedException)
        {
            throw new IOException(
                "torch cannot be loaded: it needs 64-bit Linux with glibc 2.28 and libstdc++ of GCC 13 or later " +
                $"(GLIBCXX_3.4.32: Debian 13, Ubuntu 24.04) and libgomp1. {(exception.InnerException ?? exception).Message.Split('\n')[0]}",
                    exception);
        }
    }

    /// <summary>Loads a data set with a progress bar and prints the summary.</summary>
    public static Task<DataSet> LoadAsync(
        Workspace workspace, Architecture architecture, string protocol, CancellationToken cancellation) =>
        LoadAsync(workspace, architecture, architecture.Recipe, protocol, cancellation);

    /// <summary>Loads a data set for a given recipe.</summary>
    public static async Task<DataSet> LoadAsync(
        Workspace workspace, Architecture architecture, Recipe recipe, string protocol, CancellationToken cancellation) =>
        (await LoadAsync(workspace, architecture, recipe, [protocol], cancellation))[0];

    /// <summary>Loads a data set in several splits; the corpora are read once.</summary>
    public static async Task<List<DataSet>> LoadAsync(
        Workspace workspace, Architecture architecture, Recipe recipe, IReadOnlyList<string> protocols, CancellationToken cancellation)
    {
        var report = new CorpusReport();
        var sets = await WithProgress("reading clips", async (progress, stop) =>
        {
            var open = await workspace.OpenAsync(architecture, recipe, report, progress, stop);
            return protocols.Select(open).ToList();
        }, cancellation);
        foreach (var line in report.Lines)
            Console.WriteLine($"  {line}");
        foreach (var data in sets)
            Console.WriteLine($"{data.Data}, {data.Protocol}: {data.Train.Count} training, {data.Validation.Count} validation, " +
                $"{data.Test.Count} test samples");
        return sets;
    }

    /// <summary>Shows a progress bar on a terminal, otherwise a line every 500 items.</summary>
    public static async Task<T> WithProgress<T>(
        string title, Func<Action<int, int>, CancellationToken, Task<T>> run, CancellationToken cancellation)
    {
        if (Console.IsOutputRedirected)
            return await run((done, total) =>
            {
                if (done % 500 == 0 || done == total)
                    Console.WriteLine($"{title} {done}/{total}");
            }, cancellation);
        return await AnsiConsole.Progress().AutoClear(true).StartAsync(async context =>
        {
            var task = context.AddTask(title, autoStart: false);
            return await run((done, total) =>
            {
                task.StartTask();
                (task.MaxValue, task.Value) = (total, done);
            }, cancellation);
        });
    }
}
