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

    private static readonly Argument<string> Folder = new("DIR") { Description = "Folder whose audio files are analyzed, subfolders included" };

    private static readonly Option<string> Out = new("--out")
    {
        Description = "Output file, one JSON object per audio file and line; audio files in it are skipped",
        HelpName = "FILE",
        Required = true,
    };

    private static readonly Option<int> Concurrency = new Option<int>("--concurrency")
    {
        Description = "Number of concurrent requests, 1 to 64",
        HelpName = "N",
        DefaultValueFactory = _ => 4,
    }.WithRange(1, 64);

    public static Command Create()
    {
        var command = new Command("batch", """
            Analyzes every recording in a folder.
            A run that was interrupted is continued by the next one.
            """)
        {
            Folder, Out, Concurrency, CommonOptions.Channels, CommonOptions.SpeechModel,
        };
        command.SetAction((parsed, cancellation) => AffectCommand.RunWithClientAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var folder = parsed.GetRequiredValue(Folder);
        if (!Directory.Exists(folder))
        {
            AffectCommand.WriteError($"{folder}: No such directory");
            return ExitCode.Failed;
        }
        var path = parsed.GetRequiredValue(Out);
        try
        {
            // Not shared for writing: a second run would analyze the same files.
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
                    if (await AnalyzeAsync(client, folder, file, parsed.GetValue(CommonOptions.SpeechModel), parsed.GetChannels(), errors, stop) is { } line)
                    {
                        await writing.WaitAsync(stop);
                        try
                        {
                            // Without the token, so that a line is always written whole.
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

            var console = AffectCommand.CreateConsole();
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
                AffectCommand.WriteError($"{file}: {error}");
            Console.Out.WriteLine($"{files.Count} {(files.Count == 1 ? "file" : "files")} analyzed, {done.Count} skipped, {errors.Count} with an error");
            return errors.IsEmpty ? ExitCode.Ok : ExitCode.Failed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            AffectCommand.WriteError(exception.Message);
            return ExitCode.Failed;
        }
    }

    /// <summary>Returns the line of one file; null if a later run may succeed and must not skip the file.</summary>
    private static async Task<string?> AnalyzeAsync(
        AffectClient client, string folder, string file, string? speechModel, IReadOnlyList<SpeakerRole> channels,
        ConcurrentDictionary<string, string> errors, CancellationToken cancellation)
    {
        try
        {
            var analysis = await client.AnalyzeAsync(
                new Clip { Audio = Media.FromFile(Path.Combine(folder, file)), SpeechModel = speechModel, Channels = channels }, cancellation);
            return $"{LineStart}{JsonSerializer.Serialize(file)}, \"analysis\": {analysis.ToJson()} }}";
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.InvalidArgument &&
            !exception.FieldViolations.Any(violation => violation.Field == "clip.speech_model"))
        {
            var error = exception.FieldViolations.Count == 0
                ? exception.Message
                : string.Join("; ", exception.FieldViolations.Select(violation => violation.Description));
            errors[file] = error;
            // Another --channels may suit the file.
            if (exception.FieldViolations.Any(violation => violation.Field.StartsWith("clip.channels", StringComparison.Ordinal)))
                return null;
            return $"{LineStart}{JsonSerializer.Serialize(file)}, \"error\": {JsonSerializer.Serialize(error)} }}";
        }
        catch (AffectException exception) when (exception.StatusCode != StatusCode.InvalidArgument && !AnalyzeCommand.FailsEveryRequest(exception.StatusCode))
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
    /// Reads the names of the files in the output and removes a last line that is incomplete.
    /// Leaves <paramref name="output"/> at its end.
    /// </summary>
    /// <exception cref="IOException">The file was not written by this command.</exception>
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
                        throw InvalidLine(number);
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
                    throw InvalidLine(number);
                }
                line = next;
            }
        }
        // Only now, so that any other file stays unchanged.
        output.SetLength(end);
        output.Position = end;
        return done;

        IOException InvalidLine(int number) => new($"{output.Name}: line {number} was not written by this command; the file is unchanged");
    }
}
