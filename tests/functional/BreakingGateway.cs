using System.Collections.Concurrent;
using System.Text;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>
/// A fake gateway whose streams break at a message that the test chooses, which the real gateway cannot do. It answers every
/// <see cref="Hop"/> bytes of audio with a window, a stretch of voice and an alert (alternately raised and cleared), and every second
/// window with a checkpoint.
/// </summary>
internal sealed class BreakingGateway : EmotionService.EmotionServiceBase, IAsyncDisposable
{
    /// <summary>Bytes of a window: 0.1 s of 8 kHz µ-law.</summary>
    public const int Hop = 800;

    private readonly Func<int, Break> _plan;
    private readonly ConcurrentQueue<Attempt> _attempts = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestService? _service;

    private BreakingGateway(Func<int, Break> plan) => _plan = plan;

    public string Address => _service!.GrpcAddress;

    /// <summary>The streams so far, in the order in which they were opened.</summary>
    public IReadOnlyList<Attempt> Attempts => [.. _attempts];

    /// <summary>Completes when a stream has received audio.</summary>
    public Task Entered => _first.Task;

    /// <param name="plan">How the n-th stream breaks, counted from 0.</param>
    public static async Task<BreakingGateway> StartAsync(Func<int, Break>? plan = null)
    {
        var gateway = new BreakingGateway(plan ?? (_ => Break.Never));
        gateway._service = await TestService.StartAsync(
            "breaking-gateway", new FakeLogCollector(),
            builder => builder.Services.AddSingleton(gateway).AddHealthChecks().AddCheck("breaking", () => HealthCheckResult.Healthy()),
            app => app.MapGrpcService<BreakingGateway>());
        return gateway;
    }

    public override async Task AnalyzeStream(
        IAsyncStreamReader<AnalyzeStreamRequest> requestStream, IServerStreamWriter<AnalyzeStreamResponse> responseStream, ServerCallContext context)
    {
        var attempt = new Attempt();
        _attempts.Enqueue(attempt);
        var breaks = _plan(_attempts.Count - 1);
        if (breaks.AtStart is not null)
            throw breaks.AtStart();

        Assert.True(await requestStream.MoveNext(context.CancellationToken));
        var config = attempt.Config = requestStream.Current.Config;
        var windows = config.Resume.IsEmpty ? 0 : int.Parse(config.Resume.ToStringUtf8());
        var position = attempt.Start = (long)windows * Hop;
        var sent = 0;
        async Task AnswerAsync(AnalyzeStreamResponse message)
        {
            if (sent++ == breaks.AfterMessages)
            {
                if (breaks.Error is not null)
                    throw breaks.Error();
                // No status and no trailers, as a dying server leaves the connection.
                context.GetHttpContext().Features.GetRequiredFeature<IHttpResetFeature>().Reset(2);
            }
            await responseStream.WriteAsync(message, context.CancellationToken);
        }

        var started = new StreamStarted
        {
            SessionId = config.SessionId,
            Notice = "notice",
            AudioPosition = position,
            Window = Time(Hop),
            Hop = Time(Hop),
        };
        started.Channels.AddRange(config.Audio.Channels.Select(channel => new ChannelPolicy
        {
            Role = channel.Role,
            Emotion = channel.Role == SpeakerRole.Customer,
        }));
        await AnswerAsync(new() { Started = started });

        while (await requestStream.MoveNext(context.CancellationToken))
        {
            _first.TrySetResult();
            if (requestStream.Current.Frame is { } frame)
            {
                attempt.Frames.Enqueue(frame.Time.ToTimeSpan());
                await AnswerAsync(new() { Frame = new() { Time = frame.Time, Image = new() { Outcome = Outcome.NoFace } } });
                continue;
            }
            var chunk = requestStream.Current.Audio;
            attempt.Chunks.Enqueue((chunk.Position, chunk.Data.ToByteArray()));
            position = chunk.Position + chunk.Data.Length;
            for (; (windows + 1) * Hop <= position; windows++)
                foreach (var message in Window(windows))
                    await AnswerAsync(message);
        }
        var summary = new CallSummary { End = CallEnd.Completed, Duration = Time(position) };
        summary.Channels.Add(new ChannelSummary
        {
            Talk = Time(position),
            Role = SpeakerRole.Customer,
            Emotion = new() { Judgement = Happy(), Windows = windows, Scored = windows },
        });
        await AnswerAsync(new() { Summary = summary });
    }

    private static IEnumerable<AnalyzeStreamResponse> Window(int index)
    {
        var (start, end) = (Time(index * Hop), Time((index + 1) * Hop));
        yield return new() { Activity = new() { Segment = new() { Start = start, End = end } } };
        yield return new()
        {
            Window = new()
            {
                Index = index,
                Start = start,
                End = end,
                Voice = new() { Start = start, End = end, Judgement = new() { Outcome = Outcome.NoSpeech } },
                Fused = new() { Judgement = index % 2 == 0 ? Happy() : new() { Outcome = Outcome.NoSpeech } },
                Smoothed = Happy(),
            },
        };
        yield return new()
        {
            Alert = new() { Rule = "happy-customer", Time = end, Emotion = Emotion.Happy, State = index % 2 == 0 ? AlertState.Raised : AlertState.Cleared },
        };
        // Within a chunk, unless chunks are as long as windows.
        if (index % 2 == 1)
            yield return new()
            {
                Checkpoint = new() { AudioPosition = (index + 1) * Hop, VideoTime = end, State = ByteString.CopyFrom($"{index + 1}", Encoding.UTF8) },
            };
    }

    private static Judgement Happy() =>
        new() { Outcome = Outcome.Ok, Scores = new() { Happy = 1 }, Emotion = Emotion.Happy, Confidence = 1 };

    private static Duration Time(long bytes) => Duration.FromTimeSpan(TimeSpan.FromSeconds(bytes / 8000.0));

    public ValueTask DisposeAsync() => _service!.DisposeAsync();

    /// <summary>How a stream breaks.</summary>
    /// <param name="AfterMessages">Messages that the client receives before.</param>
    /// <param name="Error">The status that ends the stream; if null, the stream is reset without a status.</param>
    /// <param name="AtStart">The status in place of an answer.</param>
    public sealed record Break(int AfterMessages, Func<RpcException>? Error = null, Func<RpcException>? AtStart = null)
    {
        public static Break Never { get; } = new(int.MaxValue);
    }

    /// <summary>The input of one stream.</summary>
    public sealed class Attempt
    {
        public StreamConfig Config { get; set; } = new();

        /// <summary>The position at which its audio had to start.</summary>
        public long Start { get; set; }

        public ConcurrentQueue<(long Position, byte[] Data)> Chunks { get; } = new();

        public ConcurrentQueue<TimeSpan> Frames { get; } = new();
    }
}
