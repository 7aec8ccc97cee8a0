using Affect.Client;
using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>Every service as a separate process that is ended by a signal and restarted while calls run.</summary>
public sealed class KilledServicesTests
{
    private const int Calls = 50;

    /// <summary>The length of each call: every service is killed within it.</summary>
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(26);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("KILL")]
    [InlineData("TERM")]
    public async Task Calls_EveryServiceKilled_LoseNoWindow(string signal)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Signals and /proc are Linux's.");
        await using var affect = await AffectProcesses.StartAsync(Cancellation);

        var audio = Stereo();
        var frame = TestMedia.Photo("1.jpg");
        using var client = new AffectClient(affect.Gateway.Address);
        var calls = Enumerable.Range(0, Calls).Select(_ => client.StartCall(new StreamOptions
        {
            Audio = new(AudioEncoding.MuLaw, 8000, [SpeakerRole.Customer, SpeakerRole.Agent]),
            Video = frame is null ? null : SpeakerRole.Customer,
            ResumeTimeout = TimeSpan.FromMinutes(2),
        })).ToList();
        var results = calls.Select(call => call.Results.ToListAsync(Cancellation).AsTask()).ToList();

        // In real time, except while writers wait for a service that is down.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var speaking = SpeakAsync();
        foreach (var service in affect.All)
        {
            await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
            await service.EndAsync(signal, Cancellation);
            await service.StartAsync(Cancellation);
        }
        await speaking;

        var ends = await Task.WhenAll(results);
        foreach (var (call, end) in calls.Zip(ends))
        {
            var windows = end.OfType<CallWindow>().ToList();
            Assert.Equal(Enumerable.Range(0, (int)Length.TotalSeconds - 2).Select(index => (long)index), windows.Select(window => window.Index));
            Assert.All(windows, window => Assert.Contains(window.Voice!.Judgement.Outcome, (Emotions.Outcome[])[Emotions.Outcome.Ok, Emotions.Outcome.Uncertain, Emotions.Outcome.NoSpeech]));
            var summary = Assert.IsType<CallSummary>(end[^1]);
            Assert.Equal(CallEnd.Completed, summary.End);
            Assert.Equal(Length.TotalSeconds, summary.Duration.TotalSeconds, 0.01);
            Assert.Equal((windows.Count, 0), (summary.Channels[0].Emotion!.Windows, summary.Channels[0].Emotion!.Lost));
            Assert.Single(end.OfType<CallStarted>());
            await call.DisposeAsync();
        }
        Assert.All(ends, end => Assert.Equal(Counts(ends[0]), Counts(end)));

        static (int, int, int) Counts(IReadOnlyList<CallResult> end)
        {
            var emotion = ((CallSummary)end[^1]).Channels[0].Emotion!;
            return (emotion.Windows, emotion.Scored, emotion.Empty);
        }

        async Task SpeakAsync()
        {
            const int chunk = 1600; // 100 ms
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
            for (var at = 0; at < audio.Length; at += chunk)
            {
                await timer.WaitForNextTickAsync(Cancellation);
                foreach (var call in calls)
                {
                    // One picture per call, so that face is used as well.
                    if (frame is not null && at == 20 * chunk)
                        await call.WriteFrameAsync(TimeSpan.FromSeconds(2), frame, Cancellation);
                    await call.WriteAudioAsync(audio.AsMemory(at, Math.Min(chunk, audio.Length - at)), Cancellation);
                }
            }
            foreach (var call in calls)
                await call.CompleteAsync();
        }
    }

    /// <summary>Two speakers who alternate, µ-law at 8 kHz.</summary>
    private static byte[] Stereo()
    {
        var speech = Audio.Resampler.Resample(Audio.WavReader.Read(TestMedia.Speech()).ToMono(), 22050, 8000);
        var stereo = new byte[2 * (int)(Length.TotalSeconds * 8000)];
        for (var i = 0; i < stereo.Length; i++)
        {
            var (sample, side) = Math.DivRem(i, 2);
            var (turn, at) = Math.DivRem(sample, speech.Length);
            stereo[i] = Audio.G711.EncodeMuLaw((short)(turn % 2 == side ? speech[at] * 32767 : 0));
        }
        return stereo;
    }
}
