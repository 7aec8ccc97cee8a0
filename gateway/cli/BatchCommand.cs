using System.Collections.Concurrent;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using Affect.Client;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect batch DIR --out results.jsonl</c></summary>
internal static class BatchCommand
{
    private const string LineStart = "{ \"file\": ";

    private static readonly HashSet<string> AudioExtensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".webm", ".mp4", ".m4a", ".aif", ".aiff", ".aifc",
    };

    private static readonly Argument<string> Folder = new("DIR") { Description = "Every audio file below it is analysed" };

    private static readonly Option<string> Out = new("--out")
    {
        Description = "Where results go, one JSON object per file and line; files that it has already are skipped",
        HelpName = "FILE",
        Required = true,
    };

    private static readonly Option<int> Concurrency = new("--concurrency")
    {
        Description = "Files at once, 1 to 64",
        HelpName = "N",
        DefaultValueFactory = _ => 4,
    };

    private static readonly Option<string?> SpeechModel = new("--speech-model")
    {
        Description = "The model that listens; see 'affect models'",
        HelpName = "NAME",
    };

    public static Command Create()
    {
        var command = new Command("batch", """
            Tells the emotions of every recording in a folder.
            What an interrupted run has written is kept: the next one goes on from there.
            """)
        {
            Folder, Out, Concurrency, SpeechModel,
        };
        Concurrency.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !(result.GetValueOrDefault<int>() is >= 1 and <= 64))
                result.AddError("--concurrency must be from 1 to 64");
        });
        command.SetAction((parsed, cancellation) => AffectCommand.CallAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var folder = parsed.GetRequiredValue(Folder);
        if (!Directory.Exists(folder))
        {
            AffectCommand.Complain($"{folder}: No such directory");
            return ExitCode.Failed;
        }
        var path = parsed.GetRequiredValue(Out);
        try
        {
            // Nobody else writes meanwhile: two runs would do the same files.
            await using var output = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            var errors = new ConcurrentDictionary<string, string>();
            var done = await ResumeAsync(output, errors, cancellation);
            List<string> files = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(file => AudioExtensions.Contains(Path.GetExtension(file)))
                .Select(file => Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'))
                .Where(file => !done.Contains(file))
                .Order(StringComparer.Ordinal)];

            var writing = new SemaphoreSlim(1);
            async Task AnalyzeAllAsync(Action progress) => await Parallel.ForEachAsync(
                files, new ParallelOptions { MaxDegreeOfParallelism = parsed.GetValue(Concurrency), CancellationToken = cancellation },
                async (file, stop) =>
                {
                    if (await AnalyzeAsync(client, folder, file, parsed.GetValue(SpeechModel), errors, stop) is { } line)
                    {
                        await writing.WaitAsync(stop);
                        try
                        {
                            // A line is written whole, whatever happens meanwhile.
                            await output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), CancellationToken.None);
                            await output.FlushAsync(CancellationToken.None);
                        }
                        finally
                        {
                            writing.Release();
                        }
                    }
                    progress();
                });

            var console = AffectCommand.Out();
            if (Console.IsOutputRedirected || !console.Profile.Capabilities.Interactive)
                await AnalyzeAllAsync(() => { });
            else
                await console.Progress()
                    .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn())
                    .StartAsync(async context =>
                    {
                        var bar = context.AddTask($"{files.Count} files", maxValue: Math.Max(1, files.Count));
                        await AnalyzeAllAsync(() => bar.Increment(1));
                    });

            foreach (var (file, error) in errors.OrderBy(error => error.Key, StringComparer.Ordinal))
                AffectCommand.Complain($"{file}: {error}");
            Console.Out.WriteLine($"{files.Count} {(files.Count == 1 ? "file" : "files")} analysed, {done.Count} skipped, {errors.Count} with an error");
            return errors.IsEmpty ? ExitCode.Ok : ExitCode.Failed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            AffectCommand.Complain(exception.Message);
            return ExitCode.Failed;
        }
    }

    /// <summary>The line of one file; null where another run may fare better, so that it is not to be skipped then.</summary>
    private static async Task<string?> AnalyzeAsync(
        AffectClient client, string folder, string file, string? speechModel, ConcurrentDictionary<string, string> errors, CancellationToken cancellation)
    {
        try
        {
            var analysis = await client.AnalyzeAsync(
                new Clip { Audio = Media.FromFile(Path.Combine(folder, file)), SpeechModel = speechModel }, cancellation);
            return $"{LineStart}{JsonSerializer.Serialize(file)}, \"analysis\": {analysis.ToJson()} }}";
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.InvalidArgument &&
            !exception.FieldViolations.Any(violation => violation.Field == "clip.speech_model"))
        {
            var error = exception.FieldViolations.Count == 0
                ? exception.Message
                : string.Join("; ", exception.FieldViolations.Select(violation => violation.Description));
            errors[file] = error;
            return $"{LineStart}{JsonSerializer.Serialize(file)}, \"error\": {JsonSerializer.Serialize(error)} }}";
        }
        catch (AffectException exception) when (exception.StatusCode != StatusCode.InvalidArgument && !AnalyzeCommand.StopsEverything(exception.StatusCode))
        {
            errors[file] = exception.Message;
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            errors[file] = exception.Message;
            return null;
        }
    }

    /// <summary>
    /// What is in the file already; a last line that was cut off in writing is cut off entirely.
    /// Leaves <paramref name="output"/> at its end.
    /// </summary>
    /// <exception cref="IOException">It is no file of results.</exception>
    private static async Task<HashSet<string>> ResumeAsync(
        FileStream output, ConcurrentDictionary<string, string> errors, CancellationToken cancellation)
    {
        var end = output.Length;
        var last = new byte[1];
        for (; end > 0; end--)
        {
            output.Position = end - 1;
            await output.ReadExactlyAsync(last, cancellation);
            if (last[0] == '\n')
                break;
        }

        output.Position = 0;
        var done = new HashSet<string>(StringComparer.Ordinal);
        using (var reader = new StreamReader(output, leaveOpen: true))
        {
            var line = await reader.ReadLineAsync(cancellation);
            for (var number = 1; line is not null; number++)
            {
                var next = await reader.ReadLineAsync(cancellation);
                if (next is null && end < output.Length)
                {
                    if (!LineStart.StartsWith(line[..Math.Min(line.Length, LineStart.Length)], StringComparison.Ordinal))
                        throw NoResult(number);
                    break;
                }
                try
                {
                    using var result = JsonDocument.Parse(line);
                    var file = result.RootElement.GetProperty("file").GetString()!;
                    done.Add(file);
                    if (result.RootElement.TryGetProperty("error", out var error))
                        errors[file] = error.GetString()!;
                }
                catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
                {
                    throw NoResult(number);
                }
                line = next;
            }
        }
        // Only now: a file that is something else keeps what it has.
        output.SetLength(end);
        output.Position = end;
        return done;

        IOException NoResult(int number) => new($"{output.Name}: line {number} is no result of this command; nothing was changed");
    }
}
