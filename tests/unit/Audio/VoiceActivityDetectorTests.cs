using Affect.Audio;

namespace Affect.UnitTests.Audio;

public sealed class VoiceActivityDetectorTests
{
    private static readonly int[] Rates = [8000, 22050, 48000];
    private static readonly string[] Corpora = ["ravdess", "savee", "tess"];

    [Theory]
    [InlineData("silence")]
    [InlineData("noise")]
    [InlineData("sine440")]
    [InlineData("clicks")]
    [InlineData("chirp")]
    [InlineData("short")]
    public void Detect_GoldenSignalWithoutVoice_FindsNoSpeech(string signal) =>
        Assert.Empty(Detect(Golden.LoadAudio(signal)));

    [Fact]
    public void Detect_GoldenSpeech_FindsSpeechWithoutItsSilence()
    {
        var speech = Golden.LoadAudio("speech");
        var found = Assert.Single(Detect(speech));
        Assert.InRange(found.StartTime(22050).TotalSeconds, 0, 0.2);
        Assert.InRange(found.EndTime(22050).TotalSeconds, 3.7, 4.2);

        // Two seconds of silence on either side only shift it.
        var silence = new float[2 * 22050];
        var later = Assert.Single(VoiceActivityDetector.Detect([.. silence, .. speech.ToMono(), .. silence], 22050));
        Assert.InRange(later.Start, (2 * 22050) - 2000, (2 * 22050) + 2000);
        Assert.InRange(later.End, silence.Length + found.End - 2000, silence.Length + found.End + 4000);
    }

    [Fact]
    public void Detect_TwoUtterances_FindsTwoSegments()
    {
        var speech = Golden.LoadAudio("speech").ToMono();
        var found = VoiceActivityDetector.Detect([.. speech, .. new float[22050], .. speech], 22050);
        Assert.Equal(2, found.Count);
        Assert.InRange(found[1].Start - found[0].End, 22050 / 2, 22050 * 3 / 2);
    }

    public static TheoryData<string> Voiceless => [.. Sounds.Keys];

    [Theory]
    [MemberData(nameof(Voiceless))]
    public void Detect_SoundWithoutVoice_FindsNoSpeech(string sound)
    {
        foreach (var rate in Rates)
        {
            var random = new Random(1);
            var signal = new float[5 * rate];
            for (var i = 0; i < signal.Length; i++)
                signal[i] = (float)Math.Clamp(Sounds[sound]((double)i / rate, rate, random), -1, 1);
            Assert.Empty(VoiceActivityDetector.Detect(signal, rate));
        }
    }

    /// <summary>Value at a time in seconds; sounds that switch on and off defeat a detector that only adapts.</summary>
    private static readonly Dictionary<string, Func<double, int, Random, double>> Sounds = new()
    {
        ["white noise"] = (_, _, random) => 0.1 * Gauss(random),
        ["faint noise"] = (_, _, random) => 1e-4 * Gauss(random),
        ["bursts of noise"] = (t, _, random) => (t % 1 < 0.5 ? 0.1 : 0.001) * Gauss(random),
        ["noise of a fan"] = (t, _, random) => 0.05 * (1 + (0.3 * Sine(8, t))) * Gauss(random),
        ["a tone"] = (t, _, _) => 0.5 * Sine(440, t),
        ["a beeping tone"] = (t, _, _) => t % 1 < 0.5 ? 0.3 * Sine(440, t) : 0,
        ["a beeping tone in noise"] = (t, _, random) => (t % 1 < 0.5 ? 0.3 * Sine(440, t) : 0) + (3e-4 * Gauss(random)),
        ["a tone that swells"] = (t, _, _) => 0.3 * (1 + (0.8 * Sine(4, t))) * Sine(440, t),
        ["a telephone ringing"] = (t, _, random) => (t % 3 < 1.5 ? 0.2 * (Sine(440, t) + Sine(480, t)) : 0) + (5e-4 * Gauss(random)),
        ["a key being dialled"] = (t, _, random) => (t % 0.2 < 0.1 ? 0.2 * (Sine(697, t) + Sine(1209, t)) : 0) + (5e-4 * Gauss(random)),
        ["mains hum"] = (t, _, random) => (0.05 * (Sine(50, t) + (0.5 * Sine(150, t)) + (0.4 * Sine(250, t)) + (0.3 * Sine(350, t)))) + (1e-3 * Gauss(random)),
        ["clicks"] = (t, rate, _) => t % 0.2 < 1.5 / rate ? 0.9 : 0,
        ["a constant"] = (_, _, _) => 0.3,
    };

    [Fact]
    public void Process_PiecesOfAnySize_GiveTheSegmentsOfTheWhole()
    {
        var speech = Golden.LoadAudio("speech").ToMono();
        float[] signal = [.. speech, .. new float[20_000], .. speech, .. new float[40_000], .. speech];
        var whole = VoiceActivityDetector.Detect(signal, 22050);
        Assert.Equal(3, whole.Count);

        var random = new Random(2);
        var detector = new VoiceActivityDetector(22050);
        var found = new List<SpeechSegment>();
        for (var at = 0; at < signal.Length;)
        {
            var count = Math.Min(random.Next(1, 700), signal.Length - at);
            detector.Process(signal.AsSpan(at, count), found);
            at += count;
        }

        Assert.Equal(2, found.Count); // the last one continues until Flush
        detector.Flush(found);
        Assert.Equal(whole, found);
    }

    [Fact]
    public void KnownUntil_GrowingSignal_IsNeverRevised()
    {
        var speech = Golden.LoadAudio("speech").ToMono();
        float[] signal = [.. new float[30_000], .. speech, .. new float[40_000], .. speech, .. new float[60_000]];
        var whole = VoiceActivityDetector.Detect(signal, 22050);
        var detector = new VoiceActivityDetector(22050);
        var found = new List<SpeechSegment>();
        const int piece = 500;
        for (var at = 0; at + piece <= signal.Length; at += piece)
        {
            detector.Process(signal.AsSpan(at, piece), found);
            SpeechSegment[] reported = detector.Open is { } open ? [.. found, open] : [.. found];
            for (var sample = 0L; sample < detector.KnownUntil; sample += 100)
                Assert.Equal(Covers(whole, sample), Covers(reported, sample));
            // Voice activity is known with a delay of at most 0.6 s.
            if (at > 2 * 22050)
                Assert.InRange(at + piece - detector.KnownUntil, 0, 22050 * 6 / 10);
        }

        static bool Covers(IEnumerable<SpeechSegment> segments, long sample) =>
            segments.Any(segment => segment.Start <= sample && sample < segment.End);
    }

    [Fact]
    public void Process_EndOfSegment_IsReportedWithinASecond()
    {
        var speech = Golden.LoadAudio("speech").ToMono();
        var end = Assert.Single(VoiceActivityDetector.Detect(speech, 22050)).End;
        var detector = new VoiceActivityDetector(22050);
        var found = new List<SpeechSegment>();
        detector.Process([.. speech, .. new float[Math.Max(0, (int)end + 22050 - speech.Length)]], found);
        Assert.Single(found);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(220)]
    public void Detect_TooFewSamples_FindsNoSpeech(int length) =>
        Assert.Empty(VoiceActivityDetector.Detect(new float[length], 22050));

    /// <summary>Studio and telephone speech, attenuated, and in noise of a tenth of its power.</summary>
    [Theory]
    [InlineData("unchanged", 1.0)]
    [InlineData("telephone", 1.0)]
    [InlineData("30 dB attenuated", 0.95)]
    [InlineData("in noise", 0.95)]
    [InlineData("telephone in noise", 0.95)]
    public void Detect_CorpusSpeech_FindsIt(string condition, double share)
    {
        var data = Environment.GetEnvironmentVariable("AFFECT_DATA");
        Assert.SkipWhen(string.IsNullOrEmpty(data), "AFFECT_DATA must be the folder of ravdess, savee and tess.");

        var random = new Random(4);
        var clips = Clips(data!);
        Assert.InRange(clips.Length, 100, 200);
        var missed = clips.Where(clip =>
        {
            var audio = WavReader.Read(File.ReadAllBytes(clip));
            var (samples, rate) = (audio.ToMono(), audio.SampleRate);
            if (condition.StartsWith("telephone", StringComparison.Ordinal))
                (samples, rate) = (Resampler.Resample(samples, rate, 8000), 8000);
            if (condition.EndsWith("in noise", StringComparison.Ordinal))
            {
                var noise = Math.Sqrt(samples.Average(sample => (double)sample * sample) / 10);
                samples = [.. samples.Select(sample => (float)(sample + (noise * Gauss(random))))];
            }

            if (condition == "30 dB attenuated")
                samples = [.. samples.Select(sample => sample * 0.0316f)];
            if (rate == 8000)
                G711.RoundTripMuLaw(samples);
            return VoiceActivityDetector.Detect(samples, rate).Count == 0;
        }).ToArray();

        Assert.True(missed.Length <= (1 - share) * clips.Length, $"Missed {missed.Length} of {clips.Length}: {string.Join(", ", missed)}");
    }

    /// <summary>40 clips of each corpus, spread over its speakers and emotions.</summary>
    private static string[] Clips(string data) => [.. Corpora.SelectMany(corpus =>
    {
        var files = Directory.GetFiles(Path.Combine(data, corpus), "*.wav", SearchOption.AllDirectories);
        Array.Sort(files, StringComparer.Ordinal);
        return Enumerable.Range(0, 40).Select(i => files[i * files.Length / 40]);
    })];

    private static IReadOnlyList<SpeechSegment> Detect(AudioBuffer audio) =>
        VoiceActivityDetector.Detect(audio.ToMono(), audio.SampleRate);

    private static double Sine(double hertz, double seconds) => Math.Sin(2 * Math.PI * hertz * seconds);

    private static double Gauss(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
