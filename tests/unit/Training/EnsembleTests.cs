using Affect.Audio;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Export;
using Affect.Training.Layers;
using Affect.Training.Learning;
using Affect.UnitTests.Audio;
using static TorchSharp.torch;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class EnsembleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-ensemble-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Cepstrum_LogMelBands_EqualsMfccOfExtractor()
    {
        Torch.Require();
        var window = TestSignals.Noise(FeatureExtractor.SampleRate, 0.1f);
        var random = new Random(1);
        var (from, to) = (Any(random, 130), Any(random, 42));
        using var cepstrum = new Cepstrum(FeatureExtractor.MelCount, FeatureExtractor.MfccCount, from, to);

        using var scope = NewDisposeScope();
        var seen = cepstrum.call(Scaled(window, FeatureSet.LogMelZcrRms, from)).data<float>().ToArray();

        var expected = Scaled(window, FeatureSet.MfccZcrRms, to).data<float>().ToArray();
        Assert.Equal(expected.Length, seen.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], seen[i], 1e-3f);
    }

    [Fact]
    public async Task Ensemble_TrainedMembers_ExportsWeightedMeanOfLogits()
    {
        Torch.Require();
        var pair = new TinyPair();
        foreach (var member in pair.Members)
            await TrainAsync(member);

        var exported = Exporter.Export(pair, Weights, TinyFaces.Data, WeightFormat.Float32, TestContext.Current.CancellationToken);

        Assert.InRange(exported.MaxDifference, 0, 1e-4);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var input = randn([4, .. pair.Shape]);
        var (first, second) = (Alone(pair.Members[0]).call(input), Alone(pair.Members[1]).call(input));
        var (logits, embedding) = Trainer.LoadBest(pair, Weights).Network.call(input);
        Assert.Equal((first.Logits * 0.75f + second.Logits * 0.25f).data<float>().ToArray(), logits.data<float>().ToArray());
        Assert.Equal(cat([first.Embedding, second.Embedding], 1).data<float>().ToArray(), embedding.data<float>().ToArray());
        Assert.True((first.Logits - second.Logits).abs().max().item<float>() > 1e-2);

        Network Alone(Architecture member) => Trainer.LoadBest(member, Weights).Network;
    }

    [Fact]
    public async Task LoadBest_MissingMember_Throws()
    {
        Torch.Require();
        var pair = new TinyPair();
        await TrainAsync(pair.Members[0]);

        var refusal = Assert.Throws<FileNotFoundException>(() => Trainer.LoadBest(pair, Weights));

        Assert.Contains(Weights(pair.Members[1]), refusal.Message, StringComparison.Ordinal);
    }

    private string Folder(Architecture member) => Path.Combine(_folder, member.Name);

    private string Weights(Architecture member) => Trainer.BestWeightsPath(Folder(member));

    private Task<RunState> TrainAsync(Architecture member) =>
        new Trainer(member, member.Recipe, TinyFaces.Data, 1, Folder(member)).RunAsync(_ => { }, TestContext.Current.CancellationToken);

    private static Normalization Any(Random random, int count) =>
        new([.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 20 - 40)],
            [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 20 + 1)]);

    private static Tensor Scaled(float[] window, FeatureSet set, Normalization normalization)
    {
        var (frames, features) = (FeatureExtractor.FrameCount(window.Length), FeatureExtractor.FeatureCount(set));
        var values = new float[frames * features];
        FeatureExtractor.Extract(window, set, values);
        return (tensor(values, [1, frames, features]) - tensor(normalization.Mean)) / tensor(normalization.Scale);
    }

    private sealed class TinyPair : Architecture
    {
        public override string Name => "tiny-pair";

        public override string Description => "For tests.";

        public override Modality Modality => Members[0].Modality;

        public override ModelInput Input => Members[0].Input;

        public override long[] Shape => Members[0].Shape;

        public override Recipe Recipe => Members[0].Recipe;

        public override IReadOnlyList<Architecture> Members { get; } = [new TinyCnn(), new TinyCnn("tinier-cnn", filters: 4)];

        public override Network Build() => throw new NotSupportedException();

        public override (Network Network, Normalization Normalization) Combine(
            IReadOnlyList<(Network Network, Normalization Normalization)> members) =>
            (new Ensemble((new Sequential(), members[0].Network, 0.75f), (new Sequential(), members[1].Network, 0.25f)),
                members[0].Normalization);
    }
}
