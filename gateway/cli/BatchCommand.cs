using System.Collections.Concurrent;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using Affect.Client;
using Affect.Emotions;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect batch DIR --out results.jsonl</c></summary>
internal static class BatchCommand
{
    private const string LineStart = "{ \"file\": ";

    /// <summary>Largest request of the gateway. A larger file is not read.</summary>
    private const long MaxBytes = 32 << 20;

    /// <summary>Time after which a file fails that the server rejects because it is busy or limits the rate of requests.</summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(10);

    private static readonly Argument<string> Folder = new("DIR") { Description = "Folder whose files are analyzed, subfolders included" };

    private static readonly Option<string> Out = new("--out")
    {
        Description = "Output file, one JSON object per file and line; files in it are skipped",
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
            Files without audio that can be decoded are left out and named with the reason; names of files do not matter.
            A run that was interrupted is continued by the next one.
            Exit codes: 0 every file analyzed, 65 files left out, 1 files failed that the next run tries again.
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
            var earlier = await ResumeAsync(output, cancellation);
            var (leftOut, failed) = (new ConcurrentDictionary<string, string>(), new ConcurrentDictionary<string, string>());
            var files = FindFiles(folder, output.Name, failed);
            List<string> rest = [.. files.Where(file => !earlier.ContainsKey(file))];
            var analyzed = 0;
            foreach (var file in files.Where(earlier.ContainsKey))
                if (earlier[file] is { } error)
                    leftOut[file] = error;
                else
                    analyzed++;

            var reached = 0;
            var writing = new SemaphoreSlim(1);
            async Task AnalyzeAllAsync(Action progress) => await Parallel.ForEachAsync(
                rest, new ParallelOptions { MaxDegreeOfParallelism = parsed.GetValue(Concurrency), CancellationToken = cancellation },
                async (file, stop) =>
                {
                    var (line, error) = await AnalyzeAsync(
                        client, folder, file, parsed.GetValue(CommonOptions.SpeechModel), parsed.GetChannels(), stop);
                    if (line is not null)
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
                    if (error is null)
                        Interlocked.Increment(ref analyzed);
                    else
                        (line is null ? failed : leftOut)[file] = error;
                    Interlocked.Increment(ref reached);
                    progress();
                });

            var console = AffectCommand.CreateConsole();
            try
            {
                if (Console.IsOutputRedirected || !console.Profile.Capabilities.Interactive)
                    await AnalyzeAllAsync(() => { });
                else
                    await console.Progress()
                        .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn())
                        .StartAsync(async context =>
                        {
                            var bar = context.AddTask($"{rest.Count} files", maxValue: Math.Max(1, rest.Count));
                            await AnalyzeAllAsync(() => bar.Increment(1));
                        });
            }
            finally
            {
                foreach (var (file, error) in leftOut.Select(file => (file.Key, $"left out: {file.Value}"))
                    .Concat(failed.Select(file => (file.Key, $"failed: {file.Value}"))).OrderBy(file => file.Key, StringComparer.Ordinal))
                    AffectCommand.WriteError($"{file}: {error}");
                Console.Out.WriteLine(
                    $"{files.Count} {(files.Count == 1 ? "file" : "files")}: {analyzed} analyzed, {leftOut.Count} left out, {failed.Count} failed" +
                    (reached < rest.Count ? $", {rest.Count - reached} not reached" : "") +
                    (rest.Count < files.Count ? $"; {files.Count - rest.Count} of them by earlier runs" : ""));
            }
            return failed.IsEmpty ? leftOut.IsEmpty ? ExitCode.Ok : ExitCode.LeftOut : ExitCode.Failed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            AffectCommand.WriteError(exception.Message);
            return ExitCode.Failed;
        }
    }

    /// <summary>
    /// Returns the files in a folder and its subfolders by their path in the folder, in ordinal order. Includes links to folders, which are
    /// not followed because they may form a loop.
    /// </summary>
    private static List<string> FindFiles(string folder, string output, ConcurrentDictionary<string, string> failed)
    {
        var files = new List<string>();
        var folders = new Stack<DirectoryInfo>([new DirectoryInfo(folder)]);
        while (folders.TryPop(out var next))
            try
            {
                foreach (var entry in next.EnumerateFileSystemInfos())
                    if (entry is DirectoryInfo { LinkTarget: null } subfolder)
                        folders.Push(subfolder);
                    else if (entry.FullName != output)
                        files.Add(Name(entry));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                failed[Name(next)] = exception.Message;
            }
        files.Sort(StringComparer.Ordinal);
        return files;

        string Name(FileSystemInfo entry) => Path.GetRelativePath(folder, entry.FullName).Replace(Path.DirectorySeparatorChar, '/');
    }

    /// <summary>
    /// Returns the line of one file, and the reason if it is left out; only the reason if the file fails, so that a later run does not skip it.
    /// </summary>
    private static async Task<(string? Line, string? Error)> AnalyzeAsync(
        AffectClient client, string folder, string file, string? speechModel, IReadOnlyList<SpeakerRole> channels,
        CancellationToken cancellation)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
            try
            {
                var path = Path.Combine(folder, file);
                if (await CheckAsync(path, cancellation) is { } reason)
                    return LeaveOut(reason);
                var analysis = await client.AnalyzeAsync(
                    new Clip { Audio = Media.FromFile(path), SpeechModel = speechModel, Channels = channels }, cancellation);
                return analysis.Speech is { Judgement.Outcome: Outcome.Unavailable }
                    ? (null, "the speech service is unavailable")
                    : ($"{LineStart}{JsonSerializer.Serialize(file)}, \"analysis\": {analysis.ToJson()} }}", null);
            }
            catch (AffectException exception) when (exception is { StatusCode: StatusCode.ResourceExhausted, RetryAfter: { } delay } &&
                TimeProvider.System.GetElapsedTime(start) + delay < MaxWait)
            {
                await Task.Delay(delay, cancellation);
            }
            catch (AffectException exception) when (exception.StatusCode == StatusCode.InvalidArgument &&
                !exception.FieldViolations.Any(violation => violation.Field == "clip.speech_model"))
            {
                var reason = exception.FieldViolations.Count == 0
                    ? exception.Message
                    : string.Join("; ", exception.FieldViolations.Select(violation => violation.Description));
                // Another --channels may suit the file.
                return exception.FieldViolations.Any(violation => violation.Field.StartsWith("clip.channels", StringComparison.Ordinal))
                    ? (null, reason) : LeaveOut(reason);
            }
            catch (AffectException exception) when (exception.StatusCode != StatusCode.InvalidArgument &&
                !AnalyzeCommand.FailsEveryRequest(exception.StatusCode))
            {
                return (null, exception.Message);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return (null, exception.Message);
            }

        (string?, string?) LeaveOut(string reason) =>
            ($"{LineStart}{JsonSerializer.Serialize(file)}, \"error\": {JsonSerializer.Serialize(reason)} }}", reason);
    }

    /// <summary>Returns the reason to leave a file out without a request; null if the server decides.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    private static async Task<string?> CheckAsync(string path, CancellationToken cancellation)
    {
        if (Directory.Exists(path))
            return "must be a file; links to folders are not followed";
        var link = new FileInfo(path);
        if ((link.ResolveLinkTarget(returnFinalTarget: true) ?? link) is FileInfo { Exists: true } target)
        {
            // Pipes and devices have no length either, and opening one may never return.
            if (target.Length == 0)
                return "must not be empty";
            if (target.Length > MaxBytes)
                return $"must be at most {MaxBytes >> 20} MiB; it has {target.Length >> 20} MiB";
        }
        return (await InputFile.OpenAsync(path, cancellation)).IsPicture ? "must be audio; it is a picture" : null;
    }

    /// <summary>
    /// Reads the files in the output, each with the reason if it was left out, and removes a last line that is incomplete.
    /// Leaves <paramref name="output"/> at its end.
    /// </summary>
    /// <exception cref="IOException">The file was not written by this command.</exception>
    private static async Task<Dictionary<string, string?>> ResumeAsync(FileStream output, CancellationToken cancellation)
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
        var done = new Dictionary<string, string?>(StringComparer.Ordinal);
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
                    done[file] = result.RootElement.TryGetProperty("error", out var error) ? error.GetString() : null;
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
