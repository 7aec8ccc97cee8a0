using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>What one epoch came to; validation figures are those of the averaged weights.</summary>
internal sealed record EpochResult(
    int Epoch, double Loss, double Accuracy, double ValidationLoss, double ValidationAccuracy, double ValidationRecall);

/// <summary>Where a run stands, besides its tensors.</summary>
internal sealed record RunState
{
    public required string Model { get; init; }
    public required string Protocol { get; init; }
    public required int Seed { get; init; }
    public required Recipe Recipe { get; init; }
    public required Normalization Normalization { get; init; }

    /// <summary>Steps taken.</summary>
    public long Step { get; init; }

    /// <summary>Sum of losses, number right and number seen in the epoch under way.</summary>
    public double Loss { get; init; }
    public long Right { get; init; }
    public long Seen { get; init; }

    /// <summary>The epochs that are done.</summary>
    public IReadOnlyList<EpochResult> History { get; init; } = [];
}

/// <summary>A glance at a run under way: after each step, and with a result after each epoch.</summary>
internal sealed record Glance(int Epoch, int Epochs, int Step, int Steps, double Loss, double Accuracy, double Rate, EpochResult? Done);

/// <summary>
/// Trains a network. After each epoch, and when cancelled, everything that the next step depends on is
/// written to <c>checkpoint.safetensors</c>; a run that finds one goes on from there and ends where it would
/// have ended without the interruption. The averaged weights to use lie in <c>best.safetensors</c>: those of the
/// last epoch, or where the recipe has patience of the epoch with the least validation loss.
/// </summary>
/// <param name="architecture">What is built.</param>
/// <param name="recipe">How it learns.</param>
/// <param name="data">From what.</param>
/// <param name="seed">Seed of weights, order, augmentation and dropout.</param>
/// <param name="folder">Receives both files.</param>
/// <param name="from">A <c>best.safetensors</c> of the same architecture: what a fresh run begins with in place of random weights, or the teacher where the recipe says so.</param>
internal sealed class Trainer(Architecture architecture, Recipe recipe, DataSet data, int seed, string folder, string? from = null)
{
    private const string CheckpointName = "checkpoint.safetensors", BestName = "best.safetensors";
    private string Checkpoint => CheckpointOf(folder);
    private string Best => BestOf(folder);

    /// <summary>A GPU where libtorch has CUDA and finds one.</summary>
    private readonly Device _device = cuda.is_available() ? CUDA : CPU;

    // Without AVX-512 oneDNN has no convolutions in bfloat16, and torch's own are slower than any in float32.
    private readonly bool _mixed = recipe.Mixed && (cuda.is_available() || Avx512BW.IsSupported);

    /// <summary>Trains to the end.</summary>
    /// <returns>The final state.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the checkpoint is written.</exception>
    /// <exception cref="InvalidDataException">The checkpoint belongs to a run with other arguments.</exception>
    public async Task<RunState> RunAsync(Action<Glance> show, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        manual_seed(Seeds.Of(seed));
        using var network = architecture.Build().to(_device);
        using var average = architecture.Build().to(_device);
        using var teacher = recipe.BornAgain ? Teacher() : null;
        using var optimizer = new AdamW(network, recipe.WeightDecay);
        Copy(network, average);
        var state = Resume(network, average, optimizer);
        var batches = new Batches(architecture, recipe, state.Normalization);
        var perEpoch = batches.PerEpoch(data.Train);
        if (perEpoch == 0)
            throw new InvalidDataException($"{data.Train.Count} training samples do not fill one batch of {recipe.BatchSize}");
        var total = (long)perEpoch * recipe.Epochs;

        for (var epoch = state.History.Count; !IsDone(recipe, state.History); epoch++)
        {
            network.train();
            await using (var stream = batches.Training(data.Train, seed, epoch, (int)(state.Step - (long)epoch * perEpoch), CancellationToken.None).GetAsyncEnumerator(CancellationToken.None))
                while (await stream.MoveNextAsync())
                {
                    state = Step(network, average, teacher, optimizer, stream.Current, state, total);
                    show(new(epoch + 1, recipe.Epochs, (int)(state.Step - (long)epoch * perEpoch), perEpoch,
                        state.Loss / state.Seen, (double)state.Right / state.Seen, Rate(state, total), null));
                    if (cancellation.IsCancellationRequested)
                    {
                        Save(Checkpoint, network, average, optimizer, state);
                        cancellation.ThrowIfCancellationRequested();
                    }
                }

            var (logits, labels) = await InferAsync(architecture, average, state.Normalization, data.Validation, CancellationToken.None);
            var scores = logits.Select(row => EmotionScores.FromLogits(row)).ToList();
            var metrics = Metrics.Of("", "", scores, labels);
            var result = new EpochResult(epoch + 1, state.Loss / state.Seen, (double)state.Right / state.Seen,
                Metrics.NegativeLogLikelihood(scores, labels), metrics.Accuracy, metrics.UnweightedAverageRecall);
            var best = recipe.Patience == 0 || state.History.All(past => result.ValidationLoss < past.ValidationLoss);
            state = state with { Loss = 0, Right = 0, Seen = 0, History = [.. state.History, result] };
            // Best goes first: a run that dies in between repeats this epoch and writes the same again.
            if (best)
                SafeTensors.Write(Best, average.State, JsonSerializer.Serialize(state));
            Save(Checkpoint, network, average, optimizer, state);
            show(new(epoch + 1, recipe.Epochs, perEpoch, perEpoch, result.Loss, result.Accuracy, Rate(state, total), result));
        }
        return state;
    }

    /// <summary>A model of the best averaged weights of its members' runs, and how its input is scaled.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="weights">The file with a member's weights.</param>
    /// <exception cref="FileNotFoundException">Nothing was trained there.</exception>
    public static (Network Network, Normalization Normalization) LoadBest(Architecture architecture, Func<Architecture, string> weights) =>
        architecture.Join([.. architecture.Members.Select(member => LoadBest(member, weights(member)))]);

    private static (Network Network, Normalization Normalization) LoadBest(Architecture architecture, string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: train the model first", path);
        var network = architecture.Build();
        var text = SafeTensors.Read(path, network.State);
        network.eval();
        return (network, JsonSerializer.Deserialize<RunState>(text)!.Normalization);
    }

    /// <summary>The file that the run in a folder goes on from.</summary>
    public static string CheckpointOf(string folder) => Path.Combine(folder, CheckpointName);

    /// <summary>The file with the weights to use of the run in a folder.</summary>
    public static string BestOf(string folder) => Path.Combine(folder, BestName);

    /// <summary>Logits of all samples, by TorchSharp.</summary>
    public static async Task<(List<float[]> Logits, List<Emotion> Labels)> InferAsync(
        Architecture architecture, Network network, Normalization normalization, Samples samples, CancellationToken cancellation)
    {
        network.eval();
        var batches = new Batches(architecture, architecture.Recipe, normalization);
        var (logits, labels) = (new List<float[]>(samples.Count), new List<Emotion>(samples.Count));
        await foreach (var batch in batches.Evaluation(samples, cancellation))
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var output = network.call(tensor(batch.Features, batch.Shape, device: network.parameters().First().device)).Logits.cpu();
            logits.AddRange(output.data<float>().ToArray().Chunk(EmotionLabels.Count));
            labels.AddRange(batch.Labels.Select(label => (Emotion)label));
        }
        return (logits, labels);
    }

    private RunState Step(Network network, Network average, Network? teacher, AdamW optimizer, Batch batch, RunState state, long total)
    {
        using var scope = NewDisposeScope();
        // Dropout draws from torch's generator, which is set anew before each step: no state of it to keep.
        manual_seed(Seeds.Of(seed, state.Step));
        var input = tensor(batch.Features, batch.Shape, device: _device);
        if (_mixed)
            input = input.to(bfloat16);
        var (logits, embedding) = network.call(input);
        var targets = tensor(batch.Targets, [batch.Count, EmotionLabels.Count], device: _device);
        if (teacher is not null)
            targets = targets.lerp(Beliefs(teacher, input), recipe.Taught);
        var loss = CrossEntropy(logits, targets);
        if (recipe.Detail > 0 && network.Details is { } details)
            loss += recipe.Detail * CrossEntropy(details.call(embedding), tensor(batch.Details, [batch.Count, SpeechCorpora.Details], device: _device));
        loss.backward();
        nn.utils.clip_grad_norm_(network.parameters(), recipe.GradientNorm);
        state = state with { Step = state.Step + 1 };
        optimizer.Step(Rate(state, total), state.Step);
        Average(network, average, state.Step);
        return state with
        {
            Loss = state.Loss + loss.item<float>() * batch.Count,
            Right = state.Right + logits.argmax(1).eq(targets.argmax(1)).sum().item<long>(),
            Seen = state.Seen + batch.Count,
        };
    }

    // Samples without a target, whose row is zeros, count as learnt.
    private static Tensor CrossEntropy(Tensor logits, Tensor targets) => -(targets * nn.functional.log_softmax(logits, 1)).sum(1).mean();

    private static Tensor Beliefs(Network teacher, Tensor input)
    {
        using var _ = no_grad();
        return nn.functional.softmax(teacher.call(input).Logits, 1);
    }

    private Network Teacher()
    {
        var teacher = architecture.Build();
        SafeTensors.Read(from ?? throw new InvalidDataException($"{architecture.Name} is taught by an earlier run: give its weights"), teacher.State);
        teacher.eval();
        return teacher.to(_device);
    }

    private double Rate(RunState state, long total)
    {
        if (recipe.Patience > 0)
            return recipe.Rate * Math.Pow(0.5, Waits(state.History).Count(wait => wait > 0 && wait % recipe.PlateauPatience == 0));
        var progress = (double)state.Step / total;
        return recipe.Rate * (progress < recipe.WarmUp
            ? progress / recipe.WarmUp
            : 0.01 + 0.99 * 0.5 * (1 + Math.Cos(Math.PI * (progress - recipe.WarmUp) / (1 - recipe.WarmUp))));
    }

    /// <summary>Whether a run with such a past is over: all epochs are done, or patience is.</summary>
    public static bool IsDone(Recipe recipe, IReadOnlyList<EpochResult> history) =>
        history.Count >= recipe.Epochs || recipe.Patience > 0 && Waits(history).LastOrDefault() >= recipe.Patience;

    /// <summary>Where a run stands, or stood when it wrote a file of weights; null where there is no such file.</summary>
    public static RunState? ReadState(string path) =>
        File.Exists(path) ? JsonSerializer.Deserialize<RunState>(SafeTensors.ReadMetadata(path)) : null;

    // After each epoch, for how many the validation loss has not been less than ever before.
    private static IEnumerable<int> Waits(IReadOnlyList<EpochResult> history)
    {
        var (least, wait) = (double.PositiveInfinity, 0);
        foreach (var epoch in history)
        {
            wait = epoch.ValidationLoss < least ? 0 : wait + 1;
            least = Math.Min(least, epoch.ValidationLoss);
            yield return wait;
        }
    }

    // The average forgets faster at first, when the weights are still random.
    private void Average(Network network, Network average, long step)
    {
        using var _ = no_grad();
        var share = 1 - Math.Min(recipe.AverageDecay, (1.0 + step) / (10 + step));
        foreach (var ((_, mean), (_, value)) in average.State.Zip(network.State))
            if (mean.dtype == ScalarType.Float32)
                mean.lerp_(value, share);
            else
                mean.copy_(value); // batch normalisation's count of batches
    }

    private static void Copy(Network from, Network to)
    {
        using var _ = no_grad();
        foreach (var ((_, value), (_, source)) in to.State.Zip(from.State))
            value.copy_(source);
    }

    private RunState Resume(Network network, Network average, AdamW optimizer)
    {
        if (!File.Exists(Checkpoint))
        {
            if (from is not null && !recipe.BornAgain)
                foreach (var weights in new[] { network, average })
                    SafeTensors.Read(from, weights.State);
            return new()
            {
                Model = architecture.Name,
                Protocol = data.Protocol,
                Seed = seed,
                Recipe = recipe,
                Normalization = Normalization.Fit(architecture, data.Train),
            };
        }
        var state = JsonSerializer.Deserialize<RunState>(SafeTensors.Read(Checkpoint, Tensors(network, average, optimizer)))!;
        if (state.Model != architecture.Name || state.Protocol != data.Protocol || state.Seed != seed || state.Recipe != recipe)
            throw new InvalidDataException(
                $"{Checkpoint} belongs to a run of {state.Model} ({state.Protocol}, seed {state.Seed}, {state.Recipe.Epochs} epochs) " +
                "with another recipe; give the same arguments, or another --run folder");
        return state;
    }

    private static void Save(string path, Network network, Network average, AdamW optimizer, RunState state) =>
        SafeTensors.Write(path, Tensors(network, average, optimizer), JsonSerializer.Serialize(state));

    private static IEnumerable<(string Name, Tensor Value)> Tensors(Network network, Network average, AdamW optimizer) =>
        network.State.Select(tensor => ($"network.{tensor.Name}", tensor.Value))
            .Concat(average.State.Select(tensor => ($"average.{tensor.Name}", tensor.Value)))
            .Concat(optimizer.State);
}
