using System.Text.Json;
using Affect.Emotions;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Layers;
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
/// have ended without the interruption. The averaged weights of the epoch with the best validation accuracy
/// lie in <c>best.safetensors</c>.
/// </summary>
internal sealed class Trainer(Architecture architecture, Recipe recipe, DataSet data, int seed, string folder)
{
    private string Checkpoint => Path.Combine(folder, "checkpoint.safetensors");
    private string Best => Path.Combine(folder, "best.safetensors");

    /// <summary>Trains to the end.</summary>
    /// <returns>The final state.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the checkpoint is written.</exception>
    /// <exception cref="InvalidDataException">The checkpoint belongs to a run with other arguments.</exception>
    public async Task<RunState> RunAsync(Action<Glance> show, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        manual_seed(Seeds.Of(seed));
        using var network = architecture.Build();
        using var average = architecture.Build();
        using var optimizer = new AdamW(network, recipe.WeightDecay);
        Copy(network, average);
        var state = Resume(network, average, optimizer);
        var batches = new Batches(architecture, recipe, state.Normalization);
        var perEpoch = batches.PerEpoch(data.Train);
        if (perEpoch == 0)
            throw new InvalidDataException($"{data.Train.Count} training samples do not fill one batch of {recipe.BatchSize}");
        var total = (long)perEpoch * recipe.Epochs;

        for (var epoch = state.History.Count; epoch < recipe.Epochs; epoch++)
        {
            network.train();
            await using (var stream = batches.Training(data.Train, seed, epoch, (int)(state.Step - (long)epoch * perEpoch), CancellationToken.None).GetAsyncEnumerator(CancellationToken.None))
                while (await stream.MoveNextAsync())
                {
                    state = Step(network, average, optimizer, stream.Current, state, total);
                    show(new(epoch + 1, recipe.Epochs, (int)(state.Step - (long)epoch * perEpoch), perEpoch,
                        state.Loss / state.Seen, (double)state.Right / state.Seen, Rate(state.Step, total), null));
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
            var best = state.History.Count == 0 || result.ValidationAccuracy >= state.History.Max(past => past.ValidationAccuracy);
            state = state with { Loss = 0, Right = 0, Seen = 0, History = [.. state.History, result] };
            // Best goes first: a run that dies in between repeats this epoch and writes the same again.
            if (best)
                SafeTensors.Write(Best, average.state_dict().Select(tensor => (tensor.Key, tensor.Value)), JsonSerializer.Serialize(state));
            Save(Checkpoint, network, average, optimizer, state);
            show(new(epoch + 1, recipe.Epochs, perEpoch, perEpoch, result.Loss, result.Accuracy, Rate(state.Step, total), result));
        }
        return state;
    }

    /// <summary>The best averaged weights of a run, and its state at that time.</summary>
    /// <exception cref="FileNotFoundException">Nothing was trained there.</exception>
    public static (Network Network, RunState State) LoadBest(Architecture architecture, string folder)
    {
        var path = Path.Combine(folder, "best.safetensors");
        if (!File.Exists(path))
            throw new FileNotFoundException($"no file {path}: train the model first", path);
        var network = architecture.Build();
        var text = SafeTensors.Read(path, network.state_dict().Select(tensor => (tensor.Key, tensor.Value)));
        network.eval();
        return (network, JsonSerializer.Deserialize<RunState>(text)!);
    }

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
            var output = network.call(tensor(batch.Features, [batch.Count, .. architecture.Shape])).Logits;
            logits.AddRange(output.data<float>().ToArray().Chunk(EmotionLabels.Count));
            labels.AddRange(batch.Labels.Select(label => (Emotion)label));
        }
        return (logits, labels);
    }

    private RunState Step(Network network, Network average, AdamW optimizer, Batch batch, RunState state, long total)
    {
        using var scope = NewDisposeScope();
        // Dropout draws from torch's generator, which is set anew before each step: no state of it to keep.
        manual_seed(Seeds.Of(seed, state.Step));
        var (logits, _) = network.call(tensor(batch.Features, [batch.Count, .. architecture.Shape]));
        var targets = tensor(batch.Targets, [batch.Count, EmotionLabels.Count]);
        var loss = -(targets * nn.functional.log_softmax(logits, 1)).sum(1).mean();
        loss.backward();
        nn.utils.clip_grad_norm_(network.parameters(), recipe.GradientNorm);
        var step = state.Step + 1;
        optimizer.Step(Rate(step, total), step);
        Average(network, average, step);
        return state with
        {
            Step = step,
            Loss = state.Loss + loss.item<float>() * batch.Count,
            Right = state.Right + logits.argmax(1).eq(targets.argmax(1)).sum().item<long>(),
            Seen = state.Seen + batch.Count,
        };
    }

    private double Rate(long step, long total)
    {
        var progress = (double)step / total;
        return recipe.Rate * (progress < recipe.WarmUp
            ? progress / recipe.WarmUp
            : 0.01 + 0.99 * 0.5 * (1 + Math.Cos(Math.PI * (progress - recipe.WarmUp) / (1 - recipe.WarmUp))));
    }

    // The average forgets faster at first, when the weights are still random.
    private void Average(Network network, Network average, long step)
    {
        using var _ = no_grad();
        var share = 1 - Math.Min(recipe.AverageDecay, (1.0 + step) / (10 + step));
        foreach (var ((_, mean), (_, value)) in average.named_parameters().Zip(network.named_parameters()))
            mean.mul_(1 - share).add_(value, alpha: share);
        foreach (var ((_, mean), (_, value)) in average.named_buffers().Zip(network.named_buffers()))
            mean.copy_(value);
    }

    private static void Copy(Network from, Network to)
    {
        using var _ = no_grad();
        var source = from.state_dict();
        foreach (var (name, value) in to.state_dict())
            value.copy_(source[name]);
    }

    private RunState Resume(Network network, Network average, AdamW optimizer)
    {
        if (!File.Exists(Checkpoint))
            return new()
            {
                Model = architecture.Name,
                Protocol = data.Protocol,
                Seed = seed,
                Recipe = recipe,
                Normalization = Normalization.Fit(architecture, data.Train),
            };
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
        network.state_dict().Select(tensor => ($"network.{tensor.Key}", tensor.Value))
            .Concat(average.state_dict().Select(tensor => ($"average.{tensor.Key}", tensor.Value)))
            .Concat(optimizer.State);
}
