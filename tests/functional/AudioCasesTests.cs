using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>
/// Files of recorders and phones in the folder AFFECT_CASES: the answer is that to the same sound in plain WAV. Its tone_* files are for
/// voice activity, its pictures for faces.
/// </summary>
public sealed class AudioCasesTests(AffectFixture fixture, ITestOutputHelper output)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The recording from which the lossy files of 6.3 s were made.</summary>
    private const string Original = "flac_behind_id3.flac";

    /// <summary>The samples are those that ffmpeg writes to WAV.</summary>
    [Theory]
    [InlineData(Original)]
    [InlineData("ok_reference_8k.wav")]
    [InlineData("blockalign_1_of_16bit_mono.wav")]
    [InlineData("mulaw_header_says_16_bits.wav")]
    [InlineData("au_ulaw.au")]
    [InlineData("caf_ulaw.caf")]
    [InlineData("adpcm_ima.wav")]
    [InlineData("adpcm_ms.wav")]
    [InlineData("g722_in.wav")]
    [InlineData("wav49_gsm.wav")]
    [InlineData("raw.gsm")]
    [InlineData("mp3_in.wav")]
    [InlineData("adts.aac")]
    [InlineData("gap_of_30s.webm", "-af", "aresample=async=1:first_pts=0")]
    public async Task Analyze_Case_HasTheScoresOfItsSamplesInWav(string name, params string[] options)
    {
        var path = Case(name);
        var actual = await AnalyzeAsync(File.ReadAllBytes(path));
        var expected = await AnalyzeAsync(AudioFile.RunFfmpeg("wav", ["-i", path, .. options, "-c:a", "pcm_s16le"]));
        output.WriteLine($"{name}: {actual.Judgement} expected: {expected.Judgement}");
        AssertSame(expected, actual);
        Assert.Equal(new AudioTrack { Index = 0, Count = 1 }, actual.Track);
    }

    /// <summary>ffmpeg alone does not read the header behind the zeros, which says how much padding precedes the first sample.</summary>
    [Fact]
    public async Task Analyze_Mp3BehindZeros_HasTheScoresOfItsSamplesInWav()
    {
        var file = File.ReadAllBytes(Case("mp3_4096_zeros_first.mp3"));
        var mp3 = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(mp3, file[4096..], Cancellation);
            AssertSame(await AnalyzeAsync(AudioFile.RunFfmpeg("wav", "-f", "mp3", "-i", mp3, "-c:a", "pcm_s16le")), await AnalyzeAsync(file));
        }
        finally
        {
            File.Delete(mp3);
        }
    }

    public static TheoryData<string> LosslessFormats => [.. AudioFile.All.Where(file => file.IsLossless).Select(file => file.Name)];

    [Theory]
    [MemberData(nameof(LosslessFormats))]
    public async Task Analyze_LosslessFormat_HasTheScoresOfTheWav(string name)
    {
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        var wav = TestMedia.FixturePath("golden/speech.wav");
        AssertSame(await AnalyzeAsync(File.ReadAllBytes(wav)), await AnalyzeAsync(AudioFile.All.Single(file => file.Name == name).Create(wav)));
    }

    /// <summary>
    /// The codec changes the sound, and the model is uncertain about the original: the first emotion of GSM and MP3 is another, with equal
    /// scores for the samples that ffmpeg writes to WAV.
    /// </summary>
    [Theory]
    [InlineData("mulaw_header_says_16_bits.wav")]
    [InlineData("au_ulaw.au")]
    [InlineData("caf_ulaw.caf")]
    [InlineData("adpcm_ima.wav")]
    [InlineData("adpcm_ms.wav")]
    [InlineData("g722_in.wav")]
    [InlineData("wav49_gsm.wav")]
    [InlineData("raw.gsm")]
    [InlineData("mp3_in.wav")]
    [InlineData("mp3_4096_zeros_first.mp3")]
    [InlineData("adts.aac")]
    public async Task Analyze_LossyCase_HasTheLabelOfTheOriginal(string name)
    {
        var actual = await AnalyzeAsync(File.ReadAllBytes(Case(name)));
        var expected = await AnalyzeAsync(AudioFile.RunFfmpeg("wav", "-i", Case(Original), "-c:a", "pcm_s16le"));
        output.WriteLine($"{name}: {actual.Judgement} original: {expected.Judgement}");
        Assert.Equal(expected.Judgement.Outcome, actual.Judgement.Outcome);
        Assert.Equal(expected.Judgement.Emotion, actual.Judgement.Emotion);
    }

    [Fact]
    public async Task Analyze_SilentDefaultTrack_HasNoSpeechAndNamesTheTrack()
    {
        var speech = await AnalyzeAsync(File.ReadAllBytes(Case("two_tracks_first_silent.mp4")));
        Assert.Equal(Outcome.NoSpeech, speech.Judgement.Outcome);
        Assert.Equal(new AudioTrack { Index = 0, Count = 2 }, speech.Track);
    }

    [Fact]
    public async Task Analyze_AmrWithoutSpeechFrames_IsInvalidArgument()
    {
        var file = File.ReadAllBytes(Case("header.amr"));
        var rejection = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(file));
        Assert.Equal(StatusCode.InvalidArgument, rejection.StatusCode);
        var violation = Assert.Single(rejection.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations);
        Assert.Equal(("clip.audio", "must be AMR with audio that can be decoded"), (violation.Field, violation.Description));
    }

    private static void AssertSame(SpeechResult expected, SpeechResult actual)
    {
        Assert.Equal(expected.Duration.ToTimeSpan().TotalSeconds, actual.Duration.ToTimeSpan().TotalSeconds, 0.15);
        Assert.Equal((expected.Judgement.Outcome, expected.Judgement.Emotion), (actual.Judgement.Outcome, actual.Judgement.Emotion));
        foreach (var (one, other) in Scores(expected).Zip(Scores(actual)))
            Assert.Equal(one, other, 0.02f);
    }

    private static float[] Scores(SpeechResult result) => result.Judgement.Scores is { } scores
        ? [scores.Neutral, scores.Happy, scores.Sad, scores.Angry, scores.Fear, scores.Disgust, scores.Surprise]
        : [];

    private static string Case(string name)
    {
        var folder = System.Environment.GetEnvironmentVariable("AFFECT_CASES");
        Assert.SkipUnless(Directory.Exists(folder), "AFFECT_CASES must be the folder of files of recorders and phones.");
        Assert.SkipUnless(AudioFile.HasFfmpeg, "ffmpeg is not installed");
        return Path.Combine(folder!, name);
    }

    private async Task<SpeechResult> AnalyzeAsync(byte[] audio)
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var response = await new EmotionService.EmotionServiceClient(channel)
            .AnalyzeAsync(new() { Clip = new() { Audio = ByteString.CopyFrom(audio) } }, cancellationToken: Cancellation);
        return response.Analysis.Speech;
    }
}
