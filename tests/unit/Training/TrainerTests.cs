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
    public async Task A_tiny_network_learns()
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
    public async Task A_run_that_was_interrupted_ends_where_it_would_have_ended(int steps, bool mixed)
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { Mixed = mixed };
        var straight = await RunAsync("straight", recipe: recipe);

        await Assert.ThrowsAsync<OperationCanceledException>(() => RunAsync("resumed", interruptAfter: steps, recipe: recipe));
        var resumed = await RunAsync("resumed", recipe: recipe);

        Assert.Equal(straight.History, resumed.History);
        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("resumed", "checkpoint"));
        Assert.Equal(Bytes("straight", "best"), Bytes("resumed", "best"));
    }

    [Fact]
    public async Task A_run_that_was_killed_ends_where_it_would_have_ended()
    {
        Torch.Require();
        await RunAsync("straight");

        // Killed: the third epoch goes unfinished, nothing is written after the second, and a file is left half written.
        await Assert.ThrowsAsync<AbandonedException>(() => RunAsync("killed", killAfter: 13));
        await File.WriteAllTextAsync(Path.Combine(_folder, "killed", "checkpoint.safetensors.new"), "half", TestContext.Current.CancellationToken);
        await RunAsync("killed");

        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("killed", "checkpoint"));
    }

    [Fact]
    public async Task A_run_that_is_done_stays_as_it_is()
    {
        Torch.Require();
        await RunAsync("done");
        var before = Bytes("done", "checkpoint");

        await RunAsync("done");

        Assert.Equal(before, Bytes("done", "checkpoint"));
    }

    [Fact]
    public async Task A_checkpoint_of_another_recipe_is_refused()
    {
        Torch.Require();
        await RunAsync("other");

        var refusal = await Assert.ThrowsAsync<InvalidDataException>(() => RunAsync("other", recipe: _architecture.Recipe with { Epochs = 5 }));

        Assert.Contains("tiny-cnn", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_may_begin_with_the_weights_of_another()
    {
        Torch.Require();
        var learnt = await RunAsync("learnt");

        var straight = await RunAsync("on", seed: 2, from: "learnt");
        var random = await RunAsync("random", seed: 2);

        Assert.True(straight.History[0].ValidationLoss < random.History[0].ValidationLoss);
        Assert.True(straight.History[0].Loss < learnt.History[0].Loss);
    }

    [Fact]
    public async Task A_run_that_is_born_again_learns_from_what_the_run_before_believes()
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { BornAgain = true, Taught = 1, Epochs = 16 };
        await RunAsync("teacher", recipe: _architecture.Recipe with { Epochs = 16 });
        await RunAsync("ignorant", recipe: _architecture.Recipe with { Rate = 0 });

        var pupil = await RunAsync("pupil", seed: 2, recipe: recipe, from: "teacher");
        var misled = await RunAsync("misled", seed: 2, recipe: recipe, from: "ignorant");

        Assert.True(pupil.History[^1].ValidationAccuracy > 0.5, $"{pupil.History[^1]}");
        Assert.True(misled.History[^1].ValidationAccuracy < 0.5, $"{misled.History[^1]}");
    }

    [Fact]
    public async Task A_run_that_is_born_again_goes_on_where_it_was_interrupted()
    {
        Torch.Require();
        var recipe = _architecture.Recipe with { BornAgain = true, Taught = 0.5, Detail = 0.5 };
        await RunAsync("teacher");
        await RunAsync("straight", recipe: recipe, from: "teacher");

        await Assert.ThrowsAsync<OperationCanceledException>(() => RunAsync("resumed", interruptAfter: 13, recipe: recipe, from: "teacher"));
        await RunAsync("resumed", recipe: recipe, from: "teacher");

        Assert.Equal(Bytes("straight", "checkpoint"), Bytes("resumed", "checkpoint"));
        var refusal = await Assert.ThrowsAsync<InvalidDataException>(() => RunAsync("orphan", recipe: recipe));
        Assert.Contains("taught by an earlier run", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_head_learns_what_else_is_known()
    {
        Torch.Require();
        await RunAsync("detailed", recipe: _architecture.Recipe with { Detail = 1, Epochs = 16 });
        var (network, normalization) = Trainer.LoadBest(_architecture, _ => Path.Combine(_folder, "detailed", "best.safetensors"));
        var right = 0;

        await foreach (var batch in new Batches(_architecture, _architecture.Recipe, normalization).Evaluation(TinyFaces.Data.Validation, TestContext.Current.CancellationToken))
        {
            using var scope = torch.NewDisposeScope();
            var told = network.Details!.call(network.call(torch.tensor(batch.Features, batch.Shape)).Embedding).argmax(1).data<long>().ToArray();
            right += told.Zip(batch.Labels).Count(pair => pair.First == 2 * pair.Second);
        }

        Assert.InRange(right, TinyFaces.Data.Validation.Count / 2, TinyFaces.Data.Validation.Count);
    }

    [Fact]
    public async Task Mixed_precision_learns_as_well_and_keeps_weights_in_float32()
    {
        Torch.Require();

        var exact = await RunAsync("exact");
        var mixed = await RunAsync("mixed", recipe: _architecture.Recipe with { Mixed = true });

        if (Avx512BW.IsSupported) // elsewhere all is float32
            Assert.NotEqual(exact.History, mixed.History);
        Assert.Equal(exact.History[^1].ValidationLoss, mixed.History[^1].ValidationLoss, 0.1);
        Assert.Equal(Bytes("exact", "best").Length, Bytes("mixed", "best").Length, 4096.0); // but for the text of the state
    }

    [Fact]
    public async Task Without_an_average_the_weights_to_use_are_those_of_the_last_step()
    {
        Torch.Require();
        await RunAsync("plain", recipe: _architecture.Recipe with { AverageDecay = 0 });
        using var network = _architecture.Build();
        var weights = network.State.ToDictionary(tensor => tensor.Name, tensor => torch.zeros_like(tensor.Value));

        SafeTensors.Read(Path.Combine(_folder, "plain", "checkpoint.safetensors"), weights.Select(tensor => ($"network.{tensor.Key}", tensor.Value)));
        SafeTensors.Read(Path.Combine(_folder, "plain", "best.safetensors"), network.State);

        Assert.All(network.State, tensor => Assert.True(weights[tensor.Name].eq(tensor.Value).all().item<bool>(), tensor.Name));
    }

    [Fact]
    public void What_a_network_has_learnt_is_listed_once()
    {
        Torch.Require();
        using var network = _architecture.Build();

        // Of the convolution a weight, γ and β, mean, variance and number of batches; of the layer before both heads, and of these, a weight and a bias.
        Assert.Equal(1 + 5 + 3 * 2, network.State.Count());
        Assert.True(network.state_dict().Count > network.State.Count()); // or State is no longer needed
        Assert.Equal(network.parameters().Sum(parameter => parameter.NumberOfElements), network.State.Where(tensor => tensor.Value.requires_grad).Sum(tensor => tensor.Value.NumberOfElements));
    }

    [Fact]
    public async Task Samples_that_are_not_augmented_are_the_same_in_each_epoch()
    {
        var recipe = _architecture.Recipe with { Augment = false, Mixup = 0 };
        var batches = new Batches(_architecture, recipe, new([0], [1]));

        var (first, second) = (await SumsAsync(0), await SumsAsync(1));

        Assert.NotEqual(first, second); // in another order
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
    public async Task Another_seed_gives_other_weights()
    {
        Torch.Require();

        await RunAsync("one");
        await RunAsync("two", seed: 2);

        Assert.NotEqual(Bytes("one", "best"), Bytes("two", "best"));
    }

    private async Task<RunState> RunAsync(string run, int? interruptAfter = null, int? killAfter = null, int seed = 1, Recipe? recipe = null, string? from = null)
    {
        using var interrupt = new CancellationTokenSource();
        var steps = 0;
        var trainer = new Trainer(_architecture, recipe ?? _architecture.Recipe, TinyFaces.Data, seed, Path.Combine(_folder, run),
            from is null ? null : Path.Combine(_folder, from, "best.safetensors"));
        return await trainer.RunAsync(glance =>
        {
            if (glance.Done is not null)
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
