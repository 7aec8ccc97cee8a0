using Affect.Fusion;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>Analysis of clips over gRPC: media into the gateway, calibrated scores out, with the real services and models.</summary>
public sealed class AnalyzeTests(AffectFixture fixture)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Analyze_Voice_HasOverlappingWindows()
    {
        var analysis = await AnalyzeAsync(new Clip { Audio = ByteString.CopyFrom(TestMedia.Speech()) });

        var speech = analysis.Speech;
        Assert.Equal("mfcc-attention", speech.Model.Name);
        AssertScores(speech.Judgement.Scores);
        var duration = speech.Duration.ToTimeSpan();
        Assert.Equal(4.2, duration.TotalSeconds, 0.05);
        Assert.Equal(TimeSpan.Zero, speech.Windows[0].Start.ToTimeSpan());
        Assert.Equal(duration, speech.Windows[^1].End.ToTimeSpan());
        Assert.Equal(speech.Windows.Select(window => window.Start.ToTimeSpan()).Order(), speech.Windows.Select(window => window.Start.ToTimeSpan()));
        foreach (var window in speech.Windows.Select(window => window.Judgement).Where(judgement => judgement.Outcome == Outcome.Ok))
        {
            AssertScores(window.Scores);
            Assert.NotEqual(Emotion.Unspecified, window.Emotion);
            Assert.Equal(Score(window.Scores, window.Emotion), window.Confidence, 1e-5f);
        }
        Assert.Null(analysis.Face);
        Assert.Equal(speech.Judgement, analysis.Fused.Judgement);
        Assert.NotEmpty(analysis.Notice);
    }

    [Fact]
    public async Task Analyze_ShorterHop_HasMoreWindows()
    {
        var audio = ByteString.CopyFrom(TestMedia.Speech());

        var coarse = await AnalyzeAsync(new Clip { Audio = audio });
        var fine = await AnalyzeAsync(new Clip { Audio = audio, Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(0.1)) });

        Assert.True(fine.Speech.Windows.Count > 5 * coarse.Speech.Windows.Count - 5);
        Assert.All(fine.Speech.Windows, window => Assert.NotEqual(Outcome.Unavailable, window.Judgement.Outcome));
    }

    [Fact]
    public async Task Analyze_Voice_IsMeanOfItsWindows()
    {
        var analysis = await AnalyzeAsync(new Clip { Audio = ByteString.CopyFrom(TestMedia.Speech()) });

        var (windows, mean) = (analysis.Speech.Windows.Select(window => window.Judgement.Scores).OfType<EmotionScores>().ToList(), analysis.Speech.Judgement.Scores);
        Assert.Equal(windows.Average(scores => scores.Happy), mean.Happy, 1e-4);
        Assert.Equal(windows.Average(scores => scores.Angry), mean.Angry, 1e-4);
    }

    [Fact]
    public async Task Analyze_VoiceAndFaces_AreFused()
    {
        var analysis = await AnalyzeAsync(new Clip
        {
            Audio = ByteString.CopyFrom(TestMedia.Speech()),
            Images = { Photo("two_people.jpg"), ByteString.CopyFrom(TestMedia.Png(64, 64)), Photo("1.jpg") },
        });

        var face = analysis.Face;
        Assert.Equal("se-resnet", face.Model.Name);
        Assert.Equal([Outcome.Ok, Outcome.NoFace, Outcome.Ok], face.Images.Select(image => image.Outcome));
        Assert.Equal(2, face.Images[0].Faces.Count);
        Assert.True(face.Images[2].Faces.Count > 20, "a crowd");
        foreach (var found in face.Images.SelectMany(image => image.Faces))
            AssertScores(found.Judgement.Scores);
        // The mean over the largest face of each picture; the largest face is first.
        Assert.Equal((face.Images[0].Faces[0].Judgement.Scores.Happy + face.Images[2].Faces[0].Judgement.Scores.Happy) / 2, face.Judgement.Scores.Happy, 1e-4f);

        // A log-linear pool over a uniform prior, which cancels in the ratio of two scores.
        AssertScores(analysis.Fused.Judgement.Scores);
        var defaults = new FusionOptions();
        Assert.Equal((float)defaults.SpeechWeight, analysis.Fused.SpeechWeight);
        Assert.Equal((float)defaults.FaceWeight, analysis.Fused.FaceWeight);
        var (heard, seen, fused) = (analysis.Speech.Judgement.Scores, face.Judgement.Scores, analysis.Fused.Judgement.Scores);
        var ratio = Math.Pow(heard.Happy / heard.Sad, defaults.SpeechWeight) * Math.Pow(seen.Happy / seen.Sad, defaults.FaceWeight);
        Assert.Equal(ratio, fused.Happy / fused.Sad, 1e-3 * ratio);
    }

    [Fact]
    public async Task ListModels_AllModels_AreOrderedByModalityThenName()
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);

        var models = (await client.ListModelsAsync(new(), cancellationToken: Cancellation)).Models;

        Assert.Equal(models.OrderBy(model => model.Modality).ThenBy(model => model.Reference.Name, StringComparer.Ordinal), models);
        Assert.Equal([Modality.Speech, Modality.Face], models.Where(model => model.IsDefault).Select(model => model.Modality));
        var one = await client.GetModelAsync(new() { Name = models[0].Reference.Name }, cancellationToken: Cancellation);
        Assert.Equal(models[0], one.Model);

        var missing = await Assert.ThrowsAsync<RpcException>(async () =>
            await client.GetModelAsync(new() { Name = "nonsuch" }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Analyze_ConcurrentClips_EachGetsItsAnswer()
    {
        var voice = ByteString.CopyFrom(TestMedia.Speech());
        var silence = ByteString.CopyFrom(WavFile.Mono(TestMedia.Silence(2)));

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => AnalyzeAsync(new Clip { Audio = i % 2 == 0 ? voice : silence })));

        for (var i = 0; i < answers.Length; i++)
            Assert.Equal(i % 2 == 0, answers[i].Fused.Judgement.Scores is not null);
    }

    private async Task<Analysis> AnalyzeAsync(Clip clip)
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var response = await new EmotionService.EmotionServiceClient(channel)
            .AnalyzeAsync(new() { Clip = clip }, cancellationToken: Cancellation);
        return response.Analysis;
    }

    private static ByteString Photo(string name)
    {
        var photo = TestMedia.Photo(name);
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS names no folder of photographs");
        return ByteString.CopyFrom(photo);
    }

    private static float[] All(EmotionScores scores) =>
        [scores.Neutral, scores.Happy, scores.Sad, scores.Angry, scores.Fear, scores.Disgust, scores.Surprise];

    private static float Score(EmotionScores scores, Emotion emotion) => All(scores)[(int)emotion - 1];

    private static void AssertScores(EmotionScores scores)
    {
        Assert.All(All(scores), score => Assert.InRange(score, 0, 1));
        Assert.Equal(1, All(scores).Sum(), 1e-4f);
    }
}
