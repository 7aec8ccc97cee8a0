using System.CommandLine;
using Affect.Client;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect stream FILE|-</c></summary>
internal static class StreamCommand
{
    private static readonly TimeSpan Chunk = TimeSpan.FromMilliseconds(100);

    private static readonly Argument<string> File = new("FILE")
    {
        Description = "WAV file (16-bit PCM, 32-bit float, A-law, µ-law); - for standard input",
    };

    private static readonly Option<bool> Realtime = new("--realtime") { Description = "Send a file at the speed of playback" };

    private static readonly Option<string?> Channels = new Option<string?>("--channels")
    {
        Description = "Role of the speaker on each channel: customer, agent or unknown [default: customer,agent]",
        HelpName = "ROLE,...",
    }.WithRoles();

    private static readonly Option<string?> Encoding = new("--encoding")
    {
        Description = "Encoding of raw samples: mulaw, alaw, l16 or float",
        HelpName = "NAME",
    };

    private static readonly Option<int?> Rate = new("--rate") { Description = "Sample rate of raw samples", HelpName = "HERTZ" };

    private static readonly Option<bool> Json = new("--json") { Description = "Print one JSON object per result and line" };

    public static Command Create()
    {
        var command = new Command("stream", """
            Analyzes a call while it lasts.
            Prints each result as it arrives, and a summary at the end. Ctrl-C completes the call.
            """)
        {
            File, Realtime, Channels, Encoding, Rate, CommonOptions.Hop, CommonOptions.SpeechModel, Json,
        };
        Encoding.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && ParseEncoding(result.GetValueOrDefault<string?>()) is null)
                result.AddError("--encoding must be mulaw, alaw, l16 or float");
        });
        command.Validators.Add(result =>
        {
            if (result.GetResult(Encoding) is null != result.GetResult(Rate) is null)
                result.AddError("--encoding and --rate must be set together");
        });
        command.SetAction((parsed, cancellation) => AffectCommand.RunWithClientAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var name = parsed.GetRequiredValue(File);
        try
        {
            await using var recording = await Recording.OpenAsync(
                name, CommonOptions.ParseRoles(parsed.GetValue(Channels)) ?? [],
                ParseEncoding(parsed.GetValue(Encoding)) is { } encoding ? (encoding, parsed.GetValue(Rate) ?? 0) : null, cancellation);
            // Without the token: an interrupted call is completed.
            await using var call = client.StartCall(new StreamOptions
            {
                Audio = recording.Format,
                Hop = parsed.GetHop(),
                SpeechModel = parsed.GetValue(CommonOptions.SpeechModel),
            }, CancellationToken.None);

            // Stops writing when the call fails or stalls: standard input may never end.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var writing = WriteAsync(call, recording, parsed.GetValue(Realtime), stop.Token);
            try
            {
                if (parsed.GetValue(Json))
                    await foreach (var result in call.Results)
                        Console.Out.WriteLine(result.ToJson());
                else
                    await ShowAsync(call, name);
            }
            finally
            {
                await stop.CancelAsync();
                await writing;
            }
            return cancellation.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Ok;
        }
        catch (IOException exception)
        {
            AffectCommand.WriteError($"{name}: {exception.Message}");
            return ExitCode.Failed;
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.InvalidArgument && exception.FieldViolations.Count > 0)
        {
            foreach (var violation in exception.FieldViolations)
                AffectCommand.WriteError($"{GetSource(violation.Field, name)}: {violation.Description}");
            return ExitCode.Failed;
        }
    }

    private static async Task WriteAsync(AffectCall call, Recording recording, bool realtime, CancellationToken cancellation)
    {
        var buffer = new byte[Math.Max(1, (int)(recording.Format.SampleRate * Chunk.TotalSeconds)) * recording.Format.BlockSize];
        var start = TimeProvider.System.GetTimestamp();
        try
        {
            var position = 0L;
            for (int read; (read = await recording.ReadAsync(buffer, cancellation)) > 0;)
            {
                // A chunk is due when its last sample has been spoken.
                position += read;
                var ahead = TimeSpan.FromSeconds((double)position / recording.Format.BytesPerSecond) - TimeProvider.System.GetElapsedTime(start);
                if (realtime && ahead > TimeSpan.Zero)
                    await Task.Delay(ahead, cancellation);
                await call.WriteAudioAsync(buffer.AsMemory(0, read), cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // The command was interrupted, or the call has ended.
        }
        catch (Exception exception) when (exception is AffectException or InvalidOperationException)
        {
            // The reader gets the same error, or already has the summary.
        }
        finally
        {
            await CompleteAsync(call);
        }
    }

    private static async Task CompleteAsync(AffectCall call)
    {
        try
        {
            await call.CompleteAsync();
        }
        catch (Exception exception) when (exception is AffectException or InvalidOperationException)
        {
            // The reader gets the same error, or already has the summary.
        }
    }

    private static async Task ShowAsync(AffectCall call, string name)
    {
        var console = AffectCommand.CreateConsole();
        var view = new CallView(name);
        if (!console.Profile.Capabilities.Interactive || Console.IsOutputRedirected)
        {
            await foreach (var result in call.Results)
            {
                view.Add(result);
                foreach (var line in view.Lines(result))
                    Console.Out.WriteLine(line);
                if (result is CallSummary last)
                    console.Write(CallView.Summary(last));
            }
            return;
        }

        CallSummary? summary = null;
        await console.Live(view.Render()).StartAsync(async live =>
        {
            await foreach (var result in call.Results)
            {
                view.Add(result);
                summary ??= result as CallSummary;
                live.UpdateTarget(view.Render());
            }
        });
        if (summary is not null)
            console.Write(CallView.Summary(summary));
    }

    private static AudioEncoding? ParseEncoding(string? encoding) => encoding switch
    {
        "mulaw" => AudioEncoding.MuLaw,
        "alaw" => AudioEncoding.ALaw,
        "l16" => AudioEncoding.L16,
        "float" => AudioEncoding.Float32,
        _ => null,
    };

    // The option or file that set a field.
    private static string GetSource(string field, string name) => field switch
    {
        _ when field.EndsWith("hop", StringComparison.Ordinal) => "--hop",
        _ when field.EndsWith("speech_model", StringComparison.Ordinal) => "--speech-model",
        _ => name,
    };
}
