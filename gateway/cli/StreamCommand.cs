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
        Description = "A WAV file (16-bit PCM, 32-bit float, A-law, µ-law); - is standard input",
    };

    private static readonly Option<bool> Realtime = new("--realtime") { Description = "Send a file no faster than it plays" };

    private static readonly Option<string?> Channels = new("--channels")
    {
        Description = "Who speaks on which channel: customer, agent or unknown [default: customer,agent]",
        HelpName = "ROLE,...",
    };

    private static readonly Option<string?> Encoding = new("--encoding")
    {
        Description = "What bytes without a header are: mulaw, alaw, l16 or float",
        HelpName = "NAME",
    };

    private static readonly Option<int?> Rate = new("--rate") { Description = "Sample rate of bytes without a header", HelpName = "HERTZ" };

    private static readonly Option<double?> Hop = new("--hop")
    {
        Description = "Seconds from the start of one window to the next, 0.1 to 10 [default: 1]",
        HelpName = "SECONDS",
    };

    private static readonly Option<string?> SpeechModel = new("--speech-model")
    {
        Description = "The model that listens; see 'affect models'",
        HelpName = "NAME",
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Print one JSON object per result and line" };

    public static Command Create()
    {
        var command = new Command("stream", """
            Tells the emotions of a call while it is spoken.
            What is found appears as it is found; the last is a summary. Ctrl-C ends the call, not just the command.
            """)
        {
            File, Realtime, Channels, Encoding, Rate, Hop, SpeechModel, Json,
        };
        Channels.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && Roles(result.GetValueOrDefault<string?>()) is null)
                result.AddError("--channels must be a list of customer, agent and unknown, as in customer,agent");
        });
        Encoding.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && Named(result.GetValueOrDefault<string?>()) is null)
                result.AddError("--encoding must be mulaw, alaw, l16 or float");
        });
        Hop.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !(result.GetValueOrDefault<double?>() is >= 0.1 and <= 10))
                result.AddError("--hop must be from 0.1 to 10 seconds");
        });
        command.Validators.Add(result =>
        {
            if (result.GetResult(Encoding) is null != result.GetResult(Rate) is null)
                result.AddError("--encoding and --rate need each other");
        });
        command.SetAction((parsed, cancellation) => AffectCommand.CallAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var name = parsed.GetRequiredValue(File);
        try
        {
            await using var recording = await Recording.OpenAsync(
                name, Roles(parsed.GetValue(Channels)) ?? [],
                Named(parsed.GetValue(Encoding)) is { } encoding ? (encoding, parsed.GetValue(Rate) ?? 0) : null, cancellation);
            // Not with the token: an interrupted call is brought to its end.
            await using var call = client.StartCall(new StreamOptions
            {
                Audio = recording.Format,
                Hop = parsed.GetValue(Hop) is { } hop ? TimeSpan.FromSeconds(hop) : null,
                SpeechModel = parsed.GetValue(SpeechModel),
            }, CancellationToken.None);

            // Where the call fails or stalls there is nobody to write for, and standard input may never end.
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
            AffectCommand.Complain($"{name}: {exception.Message}");
            return ExitCode.Failed;
        }
        catch (AffectException exception) when (exception.StatusCode == StatusCode.InvalidArgument && exception.FieldViolations.Count > 0)
        {
            foreach (var violation in exception.FieldViolations)
                AffectCommand.Complain($"{Source(violation.Field, name)}: {violation.Description}");
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
                // A chunk is spoken before it can be sent.
                position += read;
                var ahead = TimeSpan.FromSeconds((double)position / recording.Format.BytesPerSecond) - TimeProvider.System.GetElapsedTime(start);
                if (realtime && ahead > TimeSpan.Zero)
                    await Task.Delay(ahead, cancellation);
                await call.WriteAudioAsync(buffer.AsMemory(0, read), cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // Interrupted, or the call is over.
        }
        catch (Exception exception) when (exception is AffectException or InvalidOperationException)
        {
            // Who reads is told the same, or has the summary already.
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
            // As above.
        }
    }

    private static async Task ShowAsync(AffectCall call, string name)
    {
        var console = AffectCommand.Out();
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

    private static List<SpeakerRole>? Roles(string? list)
    {
        var roles = new List<SpeakerRole>();
        foreach (var name in list?.Split(',', StringSplitOptions.TrimEntries) ?? [])
            if (char.IsAsciiLetter(name.FirstOrDefault()) && Enum.TryParse<SpeakerRole>(name, ignoreCase: true, out var role))
                roles.Add(role);
            else
                return null;
        return roles;
    }

    private static AudioEncoding? Named(string? encoding) => encoding switch
    {
        "mulaw" => AudioEncoding.MuLaw,
        "alaw" => AudioEncoding.ALaw,
        "l16" => AudioEncoding.L16,
        "float" => AudioEncoding.Float32,
        _ => null,
    };

    // What a server says of a field, said of the file or option that filled it.
    private static string Source(string field, string name) => field switch
    {
        _ when field.EndsWith("hop", StringComparison.Ordinal) => "--hop",
        _ when field.EndsWith("speech_model", StringComparison.Ordinal) => "--speech-model",
        _ => name,
    };
}
