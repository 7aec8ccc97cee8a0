using System.Runtime.Intrinsics.X86;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Learning;
using TorchSharp;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class TrainerTests : IDisposable
{
    private readonly TinyCnn _architecture = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-trainer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Run_TinyNetwork_Learns()
    {
        Torch.Require();

        var state = await RunAsync("straight");

        Assert.Equal(4, state.History.Count);
        Assert.True(state.History[^1].ValidationLoss < state.History[0].ValidationLoss);
        Assert.True(state.History[^1].ValidationAccuracy > 0.5);
    }

    [Theory]
    [InlineData(10, false)] // at the end of the second epoch
    [InlineData(13, false)] // in the middle of the third
    [InlineData(13, true)]
    public async Task Run_Interrupted_ResumesToSameBytes(int steps, bool mixed)
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { MixedPrecision = mixed };
        var straight = await RunAsync("straight", recipe: recipe);

        await Assert.ThrowsAsync<OperationCanceledException>(() => RunAsync("resumed", interruptAfter: steps, recipe: recipe));
        var resumed = await RunAsync("resumed", recipe: recipe);

        Assert.Equal(straight.History, resumed.History);
        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("resumed", "checkpoint"));
        Assert.Equal(Bytes("straight", "best"), Bytes("resumed", "best"));
    }

    [Fact]
    public async Task Run_Killed_ResumesToSameBytes()
    {
        Torch.Require();
        await RunAsync("straight");

        // Killed in the third epoch: the last checkpoint is the second epoch's, and a temporary file is incomplete.
        await Assert.ThrowsAsync<AbandonedException>(() => RunAsync("killed", killAfter: 13));
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "killed", "checkpoint.safetensors.new"), "half", TestContext.Current.CancellationToken);
        await RunAsync("killed");

        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("killed", "checkpoint"));
    }

    [Fact]
    public async Task Run_Finished_LeavesCheckpointUnchanged()
    {
        Torch.Require();
        await RunAsync("done");
        var before = Bytes("done", "checkpoint");

        await RunAsync("done");

        Assert.Equal(before, Bytes("done", "checkpoint"));
    }

    [Fact]
    public async Task Run_CheckpointOfOtherRecipe_IsRejected()
    {
        Torch.Require();
        await RunAsync("other");

        var refusal = await Assert.ThrowsAsync<InvalidDataException>(
            () => RunAsync("other", recipe: _architecture.Recipe with { Epochs = 5 }));

        Assert.Contains("tiny-cnn", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_PretrainedWeights_StartsFromThem()
    {
        Torch.Require();
        var pretrained = await RunAsync("learned");

        var straight = await RunAsync("on", seed: 2, pretrained: "learned");
        var random = await RunAsync("random", seed: 2);

        Assert.True(straight.History[0].ValidationLoss < random.History[0].ValidationLoss);
        Assert.True(straight.History[0].Loss < pretrained.History[0].Loss);
    }

    [Fact]
    public async Task Run_SelfDistillation_LearnsFromTeacherScores()
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { SelfDistillation = true, DistillationWeight = 1, Epochs = 16 };
        await RunAsync("teacher", recipe: _architecture.Recipe with { Epochs = 16 });
        await RunAsync("random-teacher", recipe: _architecture.Recipe with { LearningRate = 0 });

        var student = await RunAsync("student", seed: 2, recipe: recipe, pretrained: "teacher");
        var misled = await RunAsync("misled", seed: 2, recipe: recipe, pretrained: "random-teacher");

        Assert.True(student.History[^1].ValidationAccuracy > 0.5, $"{student.History[^1]}");
        Assert.True(misled.History[^1].ValidationAccuracy < 0.5, $"{misled.History[^1]}");
    }

    [Fact]
    public async Task Run_SelfDistillationInterrupted_ResumesToSameBytes()
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { SelfDistillation = true, DistillationWeight = 0.5, AuxiliaryLossWeight = 0.5 };
        await RunAsync("teacher");
        await RunAsync("straight", recipe: recipe, pretrained: "teacher");

        await Assert.ThrowsAsync<OperationCanceledException>(
            () => RunAsync("resumed", interruptAfter: 13, recipe: recipe, pretrained: "teacher"));
        await RunAsync("resumed", recipe: recipe, pretrained: "teacher");

        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("resumed", "checkpoint"));
        var refusal = await Assert.ThrowsAsync<InvalidDataException>(() => RunAsync("without-teacher", recipe: recipe));
        Assert.Contains("requires the weights of a preceding run", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_AuxiliaryLoss_TrainsAuxiliaryHead()
    {
        Torch.Require();
        await RunAsync("auxiliary", recipe: _architecture.Recipe with { AuxiliaryLossWeight = 1, Epochs = 16 });
        var (network, normalization) = Trainer.LoadBest(_architecture, _ => Path.Combine(_folder, "auxiliary", "best.safetensors"));
        var right = 0;

        await foreach (var batch in new Batches(_architecture, _architecture.Recipe, normalization).Evaluation(
            TinyFaces.Data.Validation, TestContext.Current.CancellationToken))
        {
            using var scope = torch.NewDisposeScope();
            var predicted = network.AuxiliaryHead!.call(
                network.call(torch.tensor(batch.Features, batch.Shape)).Embedding).argmax(1).data<long>().ToArray();
            right += predicted.Zip(batch.Labels).Count(pair => pair.First == 2 * pair.Second);
        }

        Assert.InRange(right, TinyFaces.Data.Validation.Count / 2, TinyFaces.Data.Validation.Count);
    }

    [Fact]
    public async Task Run_MixedPrecision_MatchesFloat32Loss()
    {
        Torch.Require();

        var exact = await RunAsync("exact");
        var mixed = await RunAsync("mixed", recipe: _architecture.Recipe with { MixedPrecision = true });

        if (Avx512BW.IsSupported) // otherwise float32
            Assert.NotEqual(exact.History, mixed.History);
        Assert.Equal(exact.History[^1].ValidationLoss, mixed.History[^1].ValidationLoss, 0.1);
        Assert.Equal(Bytes("exact", "best").Length, Bytes("mixed", "best").Length, 4096.0); // except for the metadata
    }

    [Fact]
    public async Task Run_WithoutEma_KeepsLastWeights()
    {
        Torch.Require();
        await RunAsync("plain", recipe: _architecture.Recipe with { EmaDecay = 0 });
        using var network = _architecture.Build();
        var weights = network.State.ToDictionary(tensor => tensor.Name, tensor => torch.zeros_like(tensor.Value));

        SafeTensors.Read(Path.Combine(_folder, "plain", "checkpoint.safetensors"),
            weights.Select(tensor => ($"network.{tensor.Key}", tensor.Value)));
        SafeTensors.Read(Path.Combine(_folder, "plain", "best.safetensors"), network.State);

        Assert.All(network.State, tensor => Assert.True(weights[tensor.Name].eq(tensor.Value).all().item<bool>(), tensor.Name));
    }

    [Fact]
    public void NetworkState_Tensors_AreListedOnce()
    {
        Torch.Require();
        using var network = _architecture.Build();

        // ConvBlock: weight, γ, β, mean, variance and number of batches; fully connected layer and both heads: weight and bias.
        Assert.Equal(1 + 5 + 3 * 2, network.State.Count());
        Assert.True(network.state_dict().Count > network.State.Count()); // or State is no longer needed
        Assert.Equal(network.parameters().Sum(parameter => parameter.NumberOfElements),
            network.State.Where(tensor => tensor.Value.requires_grad).Sum(tensor => tensor.Value.NumberOfElements));
    }

    [Fact]
    public async Task TrainingBatches_WithoutAugmentation_AreEqualInEachEpoch()
    {
        var recipe = _architecture.Recipe with { Augment = false, MixupAlpha = 0 };
        var batches = new Batches(_architecture, recipe, new([0], [1]));

        var (first, second) = (await SumsAsync(0), await SumsAsync(1));

        Assert.NotEqual(first, second); // shuffled differently
        Assert.Equal(first.Order(), second.Order());

        async Task<List<float>> SumsAsync(int epoch)
        {
            var sums = new List<float>();
            await foreach (var batch in batches.Training(TinyFaces.Data.Train, 1, epoch, 0, TestContext.Current.CancellationToken))
                sums.AddRange(batch.Features.Chunk(TinyCnn.Edge * TinyCnn.Edge).Select(sample => sample.Sum()));
            return sums;
        }
    }

    [Fact]
    public async Task Run_OtherSeed_GivesOtherWeights()
    {
        Torch.Require();

        await RunAsync("one");
        await RunAsync("two", seed: 2);

        Assert.NotEqual(Bytes("one", "best"), Bytes("two", "best"));
    }

    private async Task<RunState> RunAsync(
        string run, int? interruptAfter = null, int? killAfter = null, int seed = 1, Recipe? recipe = null, string? pretrained = null)
    {
        using var interrupt = new CancellationTokenSource();
        var steps = 0;
        var trainer = new Trainer(_architecture, recipe ?? _architecture.Recipe, TinyFaces.Data, seed, Path.Combine(_folder, run),
            pretrained is null ? null : Path.Combine(_folder, pretrained, "best.safetensors"));
        return await trainer.RunAsync(progress =>
        {
            if (progress.Completed is not null)
                return;
            steps++;
            if (steps == interruptAfter)
                interrupt.Cancel();
            if (steps == killAfter)
                throw new AbandonedException();
        }, interrupt.Token);
    }

    private byte[] Bytes(string run, string file) => File.ReadAllBytes(Path.Combine(_folder, run, file + ".safetensors"));

    private sealed class AbandonedException : Exception;
}
