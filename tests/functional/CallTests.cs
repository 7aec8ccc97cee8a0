using Affect.Client;
using Affect.Hosting;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>Calls of the SDK against a gateway whose streams break on demand.</summary>
public sealed class CallTests
{
    private const int Windows = 20;

    // Not a multiple of a window, so that checkpoints lie within chunks.
    private const int Chunk = 700;

    private static readonly byte[] Audio = [.. Enumerable.Range(0, Windows * BreakingGateway.Hop).Select(i => (byte)(i * 31 % 251))];

    private static readonly StreamOptions Options = new()
    {
        Audio = new AudioFormat(AudioEncoding.MuLaw, 8000, [SpeakerRole.Customer]),
        Video = SpeakerRole.Customer,
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Call_Speech_YieldsWindowsInOrder()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        using var client = new AffectClient(gateway.Address);
        var results = await CallAsync(client, Options with { SessionId = "c-17", Hop = TimeSpan.FromSeconds(0.5) });

        AssertWhole(results);
        var started = Assert.IsType<CallStarted>(results[0]);
        Assert.Equal("c-17", started.SessionId);
        Assert.Equal([new ChannelPolicy(SpeakerRole.Customer, true)], started.Channels);
        var window = results.OfType<CallWindow>().First();
        Assert.Equal(Emotions.Emotion.Happy, window.Smoothed.Emotion);
        Assert.Equal(1, window.Fused.Judgement.Scores?[Emotions.Emotion.Happy]);
        Assert.Equal(Emotions.Outcome.NoSpeech, window.Voice?.Judgement.Outcome);
        Assert.Contains("\"window\"", window.ToJson());
        var summary = Assert.IsType<CallSummary>(results[^1]);
        Assert.Equal((CallEnd.Completed, TimeSpan.FromSeconds(2)), (summary.End, summary.Duration));

        var config = Assert.Single(gateway.Attempts).Config;
        Assert.Equal(("c-17", 0.5), (config.SessionId, config.Hop.ToTimeSpan().TotalSeconds));
        Assert.Equal((V1.AudioEncoding.Mulaw, 8000), (config.Audio.Encoding, config.Audio.SampleRate));
    }

    [Theory]
    [InlineData(0)] // before the start
    [InlineData(1)] // before the first checkpoint
    [InlineData(3)] // between a window and its alert
    [InlineData(12)]
    [InlineData(25)]
    public async Task Call_Disconnected_ResumesWithoutLossOrRepetition(int afterMessages)
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt => attempt < 3
            ? new(afterMessages, attempt == 1 ? null : () => RpcErrors.Status(StatusCode.Unavailable, "away"))
            : BreakingGateway.Break.Never);
        using var client = new AffectClient(gateway.Address);
        AssertWhole(await CallAsync(client, Options));

        Assert.Equal(4, gateway.Attempts.Count);
        var first = gateway.Attempts[0].Config;
        foreach (var (index, attempt) in gateway.Attempts.Index())
        {
            // The same call, from a checkpoint.
            var config = attempt.Config.Clone();
            Assert.Equal(attempt.Start == 0 ? "" : $"{attempt.Start / BreakingGateway.Hop}", config.Resume.ToStringUtf8());
            config.Resume = first.Resume;
            Assert.Equal(first, config);
            // The same media, byte for byte, without a gap.
            var position = attempt.Start;
            foreach (var (at, data) in attempt.Chunks)
            {
                Assert.Equal(position, at);
                Assert.Equal(Audio[(int)at..((int)at + data.Length)], data);
                position += data.Length;
            }
            if (index == 3)
                Assert.Equal(Audio.Length, position);
            Assert.All(attempt.Frames, time => Assert.True(time >= TimeSpan.FromSeconds(attempt.Start / 8000.0)));
        }
    }

    [Fact]
    public async Task Call_DisconnectedBeforeSummary_ResumesAndGetsSummary()
    {
        // Started; activity, window and alert of each; a checkpoint for every second; frames: all but the summary.
        const int All = 1 + Windows * 3 + Windows / 2 + Windows;
        await using var gateway = await BreakingGateway.StartAsync(attempt =>
            attempt == 0 ? new(All, () => RpcErrors.Status(StatusCode.Unavailable, "away")) : BreakingGateway.Break.Never);
        using var client = new AffectClient(gateway.Address);
        AssertWhole(await CallAsync(client, Options));
        Assert.Equal(2, gateway.Attempts.Count);
    }

    [Fact]
    public async Task Call_ServerUnavailable_FailsForReaderAndWriters()
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt =>
            attempt == 0 ? new(12, () => RpcErrors.Status(StatusCode.Unavailable, "away")) : new(0, () => RpcErrors.Status(StatusCode.Unavailable, "still away")));
        using var client = new AffectClient(gateway.Address);
        await using var call = client.StartCall(Options with { ResumeTimeout = TimeSpan.FromMilliseconds(400) }, Cancellation);
        await call.WriteAudioAsync(Audio, Cancellation);
        var results = new List<CallResult>();
        var error = await Assert.ThrowsAsync<AffectException>(() => ReadAsync(call, results));

        Assert.Equal((StatusCode.Unavailable, "still away"), (error.StatusCode, error.Message));
        Assert.InRange(gateway.Attempts.Count, 2, 9);
        Assert.IsType<CallStarted>(results[0]);
        Assert.Same(error, await Assert.ThrowsAsync<AffectException>(async () => await call.WriteAudioAsync(Audio, Cancellation)));
        Assert.Same(error, await Assert.ThrowsAsync<AffectException>(async () => await call.CompleteAsync()));
    }

    [Fact]
    public async Task Call_NeverStarted_IsRetriedUpToLimit()
    {
        await using var gateway = await BreakingGateway.StartAsync(_ => new(0, AtStart: () => RpcErrors.Status(StatusCode.Unavailable, "away")));
        using var client = new AffectClient(new AffectClientOptions { Address = gateway.Address, MaxAttempts = 2 });
        var error = await Assert.ThrowsAsync<AffectException>(() => CallAsync(client, Options));
        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Equal(2, gateway.Attempts.Count);
    }

    [Fact]
    public async Task Call_ResourceExhausted_IsRetriedAfterRetryDelay()
    {
        var wait = TimeSpan.FromMilliseconds(500);
        await using var gateway = await BreakingGateway.StartAsync(attempt => attempt switch
        {
            0 or 2 => new(0, AtStart: () => RpcErrors.ResourceExhausted("full", wait)),
            1 => new(12, () => RpcErrors.Status(StatusCode.Unavailable, "away")),
            _ => BreakingGateway.Break.Never,
        });
        using var client = new AffectClient(gateway.Address);
        var start = TimeProvider.System.GetTimestamp();
        AssertWhole(await CallAsync(client, Options));
        Assert.Equal(4, gateway.Attempts.Count);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= 2 * wait);
    }

    [Fact]
    public async Task Call_InvalidArgument_IsNotRetried()
    {
        await using var gateway = await BreakingGateway.StartAsync(_ => new(0, AtStart: () => RpcErrors.InvalidArgument("config.hop", "must be longer")));
        using var client = new AffectClient(gateway.Address);
        var error = await Assert.ThrowsAsync<AffectException>(() => CallAsync(client, Options));
        Assert.Equal([new FieldViolation("config.hop", "must be longer")], error.FieldViolations);
        Assert.Single(gateway.Attempts);
    }

    [Theory]
    [InlineData(StatusCode.Internal)] // the channel's balancer, while addresses change
    [InlineData(StatusCode.Cancelled)]
    [InlineData(StatusCode.Unavailable)] // a proxy that cannot reach its server: 502 or 503
    public async Task Call_StatusOfTheChannel_ResumesWithoutLoss(StatusCode code)
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt =>
            attempt < 2 ? new(12, () => new RpcException(new(code, "Unknown error."))) : BreakingGateway.Break.Never);
        using var client = new AffectClient(gateway.Address);
        AssertWhole(await CallAsync(client, Options));
        Assert.Equal(3, gateway.Attempts.Count);
    }

    [Theory]
    [InlineData(StatusCode.Unimplemented)]
    [InlineData(StatusCode.ResourceExhausted)] // a message that is too large
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.Unknown)]
    [InlineData(StatusCode.Unauthenticated)]
    public async Task Call_AnswerOfAServerWithoutDetails_IsNotRetried(StatusCode code)
    {
        await using var gateway = await BreakingGateway.StartAsync(_ => new(12, () => new RpcException(new(code, "no"))));
        using var client = new AffectClient(gateway.Address);
        var error = await Assert.ThrowsAsync<AffectException>(() => CallAsync(client, Options));
        Assert.Equal(code, error.StatusCode);
        Assert.Single(gateway.Attempts);
    }

    [Fact]
    public async Task Call_ErrorAfterStart_IsNotRetried()
    {
        await using var gateway = await BreakingGateway.StartAsync(_ => new(12, () => RpcErrors.Status(StatusCode.Internal, "a bug")));
        using var client = new AffectClient(gateway.Address);
        var error = await Assert.ThrowsAsync<AffectException>(() => CallAsync(client, Options));
        Assert.Equal((StatusCode.Internal, "a bug"), (error.StatusCode, error.Message));
        Assert.Single(gateway.Attempts);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WriteAudio_BufferFull_Waits(bool copy)
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt => attempt == 0 ? new(30) : BreakingGateway.Break.Never);
        using var client = new AffectClient(gateway.Address);
        // Less than the call, more than the distance of two checkpoints.
        AssertWhole(await CallAsync(client, Options with { MaxBufferedBytes = 3 * BreakingGateway.Hop, CopyAudio = copy }));
    }

    [Fact]
    public async Task WriteAudio_CopyAudio_DecidesWhetherBufferIsCopied()
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt => attempt == 0 ? new(3) : BreakingGateway.Break.Never);
        using var client = new AffectClient(gateway.Address);
        await using var call = client.StartCall(Options, Cancellation);
        var buffer = new byte[Chunk];
        for (var at = 0; at < Audio.Length; at += Chunk)
        {
            var length = Math.Min(Chunk, Audio.Length - at);
            Audio.AsSpan(at, length).CopyTo(buffer);
            await call.WriteAudioAsync(buffer.AsMemory(0, length), Cancellation);
        }
        await call.CompleteAsync();
        await ReadAsync(call, []);
        Assert.Equal(Audio, gateway.Attempts[^1].Chunks.SelectMany(chunk => chunk.Data));
    }

    [Fact]
    public async Task WriteAudio_CallCompleted_Throws()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        using var client = new AffectClient(gateway.Address);
        await using var call = client.StartCall(Options, Cancellation);
        await call.CompleteAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await call.WriteAudioAsync(Audio, Cancellation));
        var results = new List<CallResult>();
        await ReadAsync(call, results);
        Assert.Equal([typeof(CallStarted), typeof(CallSummary)], results.Select(result => result.GetType()));
    }

    [Fact]
    public async Task Call_Disposed_IsCanceled()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        using var client = new AffectClient(gateway.Address);
        var call = client.StartCall(Options, Cancellation);
        await call.WriteAudioAsync(Audio, Cancellation);
        await gateway.Entered;
        await call.DisposeAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReadAsync(call, []));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await call.WriteAudioAsync(Audio, Cancellation));
    }

    [Fact]
    public async Task Call_TokenCanceled_IsCanceled()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        using var client = new AffectClient(gateway.Address);
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        await using var call = client.StartCall(Options, source.Token);
        await call.WriteAudioAsync(Audio, Cancellation);
        await gateway.Entered;
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReadAsync(call, []));
    }

    /// <summary>All of the audio, in chunks, with a frame for each window.</summary>
    private static async Task<List<CallResult>> CallAsync(AffectClient client, StreamOptions options)
    {
        await using var call = client.StartCall(options, Cancellation);
        var results = new List<CallResult>();
        var reading = ReadAsync(call, results);
        try
        {
            var frame = 0;
            for (var at = 0; at < Audio.Length; at += Chunk)
            {
                for (; frame * BreakingGateway.Hop <= at && frame < Windows; frame++)
                    await call.WriteFrameAsync(FrameTime(frame), new byte[] { 1, 2, 3 }, Cancellation);
                await call.WriteAudioAsync(Audio.AsMemory(at, Math.Min(Chunk, Audio.Length - at)), Cancellation);
            }
            for (; frame < Windows; frame++)
                await call.WriteFrameAsync(FrameTime(frame), new byte[] { 1, 2, 3 }, Cancellation);
            await call.CompleteAsync();
        }
        catch (AffectException)
        {
            // The reader throws the same.
        }
        await reading;
        return results;
    }

    private static async Task ReadAsync(AffectCall call, List<CallResult> results)
    {
        await foreach (var result in call.Results.WithCancellation(Cancellation))
            results.Add(result);
    }

    private static TimeSpan FrameTime(int frame) => TimeSpan.FromSeconds(frame * 0.1);

    /// <summary>Every result once and in order, as without a break.</summary>
    private static void AssertWhole(List<CallResult> results)
    {
        Assert.IsType<CallStarted>(results[0]);
        Assert.Single(results.OfType<CallStarted>());
        Assert.Equal(Enumerable.Range(0, Windows).Select(index => (long)index), results.OfType<CallWindow>().Select(window => window.Index));
        Assert.Equal(Enumerable.Range(0, Windows).Select(FrameTime), results.OfType<SpeechActivity>().Select(activity => activity.Segment.Start));
        Assert.Equal(
            Enumerable.Range(0, Windows).Select(index => (FrameTime(index + 1), index % 2 == 0 ? AlertState.Raised : AlertState.Cleared)),
            results.OfType<Alert>().Select(alert => (alert.Time, alert.State)));
        Assert.Equal(Enumerable.Range(0, Windows).Select(FrameTime), results.OfType<FrameResult>().Select(frame => frame.Time).Order());
        Assert.IsType<CallSummary>(results[^1]);
        Assert.Single(results.OfType<CallSummary>());
    }
}
