using Affect.Audio;
using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Inference;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using FeatureKind = Affect.Inference.FeatureKind;
using Modality = Affect.V1.Modality;
using ModelInput = Affect.Inference.ModelInput;

namespace Affect.FunctionalTests;

/// <summary>
/// Models from elsewhere, added to the repository with a manifest and without code: for media sent to the gateway, the scores equal
/// those that the test computes itself.
/// </summary>
public sealed class ForeignModelTests : IAsyncLifetime
{
    private const double WindowSeconds = 2;
    private const int Bands = 128, Frames = 87, Edge = 112;

    /// <summary>Keeps sums over a large input above the rounding of float32.</summary>
    private const double Tolerance = 1e-4;

    private readonly ModelFolder _models = new();
    private AffectHost? _host;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private AffectHost Host => _host!;

    /// <summary>Log-mel of 2 s as a picture, a scaler per band; RAVDESS's eight labels; log-probabilities; no embedding.</summary>
    private static ModelManifest Ears { get; } = TinyModel.Speech("foreign-ears") with
    {
        Default = false,
        Input = new ModelInput
        {
            Tensor = "spectrogram",
            Features = FeatureKind.LogMel,
            Layout = TensorLayout.N1ft,
            WindowSeconds = WindowSeconds,
            Mean = [.. Enumerable.Range(0, Bands).Select(band => -30f - band / 10f)],
            Scale = [.. Enumerable.Range(0, Bands).Select(band => 15f + band / 20f)],
        },
        Output = new ModelOutput
        {
            Logits = "log_probabilities",
            Labels = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
            LabelMap = new Dictionary<string, string> { ["calm"] = "neutral", ["fearful"] = "fear", ["surprised"] = "surprise" },
            Temperature = 1.5f,
        },
    };

    /// <summary>RGB of 112×112, channels last, a scaler per channel; FER+'s eight labels; probabilities; batch size 1.</summary>
    private static ModelManifest Eyes { get; } = TinyModel.Face("foreign-eyes") with
    {
        Default = false,
        Input = new ModelInput
        {
            Tensor = "Input3",
            Features = FeatureKind.Rgb,
            Layout = TensorLayout.Nhwc,
            Size = Edge,
            Mean = [123.675f, 116.28f, 103.53f],
            Scale = [58.395f, 57.12f, 57.375f],
        },
        Output = new ModelOutput
        {
            Logits = "probabilities",
            Probabilities = true,
            Labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"],
            LabelMap = new Dictionary<string, string> { ["happiness"] = "happy", ["sadness"] = "sad", ["anger"] = "angry", ["contempt"] = "" },
        },
    };

    public async ValueTask InitializeAsync()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face());
        TinyModel.Write(_models.Path, Ears, new float[8], HearingWeight, last: "LogSoftmax");
        TinyModel.Write(_models.Path, Eyes, new float[8], SeeingWeight, last: "Softmax", batch: 1);
        _host = await AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Speech:ModelsPath"] = _models.Path,
            ["Face:ModelsPath"] = _models.Path,
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        _models.Dispose();
    }

    [Fact]
    public async Task ForeignSpeechModel_Clip_HasReferenceScores()
    {
        var speech = (await AnalyzeAsync(new Clip { Audio = ByteString.CopyFrom(TestMedia.Speech()), SpeechModel = Ears.Name })).Speech;

        Assert.Equal(new ModelReference { Name = Ears.Name, Version = "1" }, speech.Model);
        var sound = WavReader.Read(TestMedia.Speech()).ToMono();
        var windows = speech.Windows.Where(window => window.Judgement.Scores is not null).ToList();
        Assert.True(windows.Count >= 3);
        foreach (var window in windows)
        {
            var start = (int)Math.Round(window.Start.ToTimeSpan().TotalSeconds * FeatureExtractor.SampleRate);
            var samples = new float[(int)(WindowSeconds * FeatureExtractor.SampleRate)];
            sound.AsSpan(start, Math.Min(samples.Length, sound.Length - start)).CopyTo(samples);
            var features = new float[Frames * Bands];
            FeatureExtractor.Extract(samples, FeatureSet.LogMel, features);
            var logits = new double[8];
            for (var frame = 0; frame < Frames; frame++)
                for (var band = 0; band < Bands; band++)
                    for (var label = 0; label < 8; label++)
                        logits[label] += HearingWeight(band * Frames + frame, label) * (features[frame * Bands + band] - Ears.Input.Mean[band]) / Ears.Input.Scale[band];
            var (neutral, calm, happy, sad, angry, fearful, disgust, surprised) = Softmax(logits, Ears.Output.Temperature);
            AssertScores([neutral + calm, happy, sad, angry, fearful, disgust, surprised], window.Judgement.Scores);
        }
        // The windows differ; otherwise the test would prove little.
        Assert.True(windows.Max(window => window.Judgement.Scores.Neutral) - windows.Min(window => window.Judgement.Scores.Neutral) > 0.01);
    }

    [Fact]
    public async Task ForeignFaceModel_Photo_HasReferenceScores()
    {
        var photo = TestMedia.Photo("two_people.jpg");
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS names no folder of photographs");
        using var features = Host.Features.CreateChannel();
        var crops = await new FeaturesService.FeaturesServiceClient(features).ExtractFacesAsync(
            new() { Image = ByteString.CopyFrom(photo), Input = new() { Features = Affect.V1.FeatureKind.Rgb, Size = Edge } }, cancellationToken: Cancellation);

        var face = (await AnalyzeAsync(new Clip { Images = { ByteString.CopyFrom(photo) }, FaceModel = Eyes.Name })).Face;

        Assert.Equal(new ModelReference { Name = Eyes.Name, Version = "1" }, face.Model);
        var found = Assert.Single(face.Images).Faces;
        Assert.Equal(2, found.Count);
        Assert.NotEqual(found[0].Judgement.Scores, found[1].Judgement.Scores);
        foreach (var (crop, answer) in crops.Faces.Zip(found))
            AssertScores(SeenByHand(crop.Pixels.Span), answer.Judgement.Scores);
    }

    [Fact]
    public async Task ForeignFaceModel_ConcurrentRequests_HaveReferenceScores()
    {
        var pixels = new byte[Edge * Edge * 3];
        new Random(1).NextBytes(pixels.AsSpan(0, pixels.Length / 2));
        using var channel = Host.Face.CreateChannel();
        var client = new ClassifierService.ClassifierServiceClient(channel);

        // Concurrently, although the model takes one input at a time.
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
        {
            var own = pixels.ToArray();
            own.AsSpan(0, i * 4000).Fill(200);
            var request = new ClassifyRequest { Modality = Modality.Face, Model = Eyes.Name, Input = ByteString.CopyFrom(own) };
            return Task.Run(async () => (own, (await client.ClassifyAsync(request, cancellationToken: Cancellation)).Judgement.Scores));
        }));

        foreach (var (own, scores) in answers)
            AssertScores(SeenByHand(own), scores);
    }

    [Fact]
    public async Task ForeignModels_Listed_DescribeTheirInput()
    {
        using var channel = Host.Gateway.CreateChannel();
        var models = (await new EmotionService.EmotionServiceClient(channel).ListModelsAsync(new(), cancellationToken: Cancellation)).Models;

        var ears = Assert.Single(models, model => model.Reference.Name == Ears.Name);
        Assert.Equal((Modality.Speech, Affect.V1.FeatureKind.LogMel, Duration.FromTimeSpan(TimeSpan.FromSeconds(2))), (ears.Modality, ears.Input.Features, ears.Input.Window));
        var eyes = Assert.Single(models, model => model.Reference.Name == Eyes.Name);
        Assert.Equal((Modality.Face, Affect.V1.FeatureKind.Rgb, Edge), (eyes.Modality, eyes.Input.Features, eyes.Input.Size));
    }

    // Value i is band i / 87 in frame i % 87: each label prefers some bands in some frames.
    private static float HearingWeight(int i, int label) => (i / Frames % 8 == label ? 1e-2f : 0) - (i % Frames % 8 == label ? 5e-3f : 0);

    // Value i is channel i % 3 of pixel i / 3: each label prefers some rows, of one color more than of others.
    private static float SeeingWeight(int i, int label) => i / 3 / Edge / 14 == label ? 1e-3f * (1 + i % 3) : 0;

    private static double[] SeenByHand(ReadOnlySpan<byte> pixels)
    {
        var logits = new double[8];
        for (var i = 0; i < pixels.Length; i++)
            for (var label = 0; label < 8; label++)
                logits[label] += SeeingWeight(i, label) * (pixels[i] - Eyes.Input.Mean[i % 3]) / Eyes.Input.Scale[i % 3];
        var (neutral, happy, surprise, sad, angry, disgust, fear, contempt) = Softmax(logits, 1);
        double[] seven = [neutral, happy, sad, angry, fear, disgust, surprise];
        return [.. seven.Select(score => score / (1 - contempt))];
    }

    private static (double, double, double, double, double, double, double, double) Softmax(double[] logits, double temperature)
    {
        var weights = logits.Select(logit => Math.Exp((logit - logits.Max()) / temperature)).ToArray();
        var sum = weights.Sum();
        return (weights[0] / sum, weights[1] / sum, weights[2] / sum, weights[3] / sum, weights[4] / sum, weights[5] / sum, weights[6] / sum, weights[7] / sum);
    }

    private static void AssertScores(double[] expected, EmotionScores scores)
    {
        float[] actual = [scores.Neutral, scores.Happy, scores.Sad, scores.Angry, scores.Fear, scores.Disgust, scores.Surprise];
        foreach (var (hand, service) in expected.Zip(actual))
            Assert.Equal(hand, service, Tolerance);
    }

    private async Task<Analysis> AnalyzeAsync(Clip clip)
    {
        using var channel = Host.Gateway.CreateChannel();
        return (await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(new() { Clip = clip }, cancellationToken: Cancellation)).Analysis;
    }
}
