using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;
using Affect.Training.Data;
using Affect.Training.Evaluation;
using Affect.Training.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>Results of one epoch; the validation metrics are those of the averaged weights.</summary>
internal sealed record EpochResult(
    int Epoch, double Loss, double Accuracy, double ValidationLoss, double ValidationAccuracy, double ValidationUar);

/// <summary>State of a run, without its tensors.</summary>
internal sealed record RunState
{
    public required string Model { get; init; }
    public required string Protocol { get; init; }
    public required int Seed { get; init; }
    public required Recipe Recipe { get; init; }
    public required Normalization Normalization { get; init; }

    /// <summary>Number of steps so far.</summary>
    public long Step { get; init; }

    /// <summary>Sum of the losses, number of correct predictions and number of samples in the current epoch.</summary>
    public double Loss { get; init; }
    public long Correct { get; init; }
    public long Samples { get; init; }

    /// <summary>Results of the completed epochs.</summary>
    public IReadOnlyList<EpochResult> History { get; init; } = [];
}

/// <summary>Progress of a run, reported after each step and, with the results, after each epoch.</summary>
internal sealed record TrainingProgress(
    int Epoch, int Epochs, int Step, int Steps, double Loss, double Accuracy, double LearningRate, EpochResult? Completed);

/// <summary>
/// Trains a network. After each epoch, and on cancellation, the complete state is written to <c>checkpoint.safetensors</c>. A
/// run resumes from its checkpoint with the same result as without the interruption. <c>best.safetensors</c> has the
/// averaged weights of the last epoch or, with early stopping, of the epoch with the lowest validation loss.
/// </summary>
/// <param name="architecture">The model.</param>
/// <param name="recipe">The hyperparameters.</param>
/// <param name="data">The data set.</param>
/// <param name="seed">Random seed of initialization, shuffling, augmentation and dropout.</param>
/// <param name="folder">Output folder of both files.</param>
/// <param name="pretrained">
/// A <c>best.safetensors</c> of the same architecture: initial weights or, with self-distillation, teacher of a new run; null for
/// random initialization.
/// </param>
internal sealed class Trainer(Architecture architecture, Recipe recipe, DataSet data, int seed, string folder, string? pretrained = null)
{
    private const string CheckpointName = "checkpoint.safetensors", BestName = "best.safetensors";
    private string Checkpoint => CheckpointPath(folder);
    private string Best => BestWeightsPath(folder);

    /// <summary>A GPU where libtorch has CUDA and finds one.</summary>
    private readonly Device _device = cuda.is_available() ? CUDA : CPU;

    // Without AVX-512, oneDNN has no bfloat16 convolutions, and torch's own are slower than float32.
    private readonly bool _mixedPrecision = recipe.MixedPrecision && (cuda.is_available() || Avx512BW.IsSupported);

    /// <summary>Trains until the recipe is finished.</summary>
    /// <returns>The final state.</returns>
    /// <exception cref="OperationCanceledException">Canceled; the checkpoint is written.</exception>
    /// <exception cref="InvalidDataException">The checkpoint belongs to a run with other arguments.</exception>
    public async Task<RunState> RunAsync(Action<TrainingProgress> report, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        manual_seed(Seeds.Mix(seed));
        using var network = architecture.Build().to(_device);
        using var average = architecture.Build().to(_device);
        using var teacher = recipe.SelfDistillation ? LoadTeacher() : null;
        using var optimizer = new AdamW(network, recipe.WeightDecay);
        Copy(network, average);
        var state = Resume(network, average, optimizer);
        var batches = new Batches(architecture, recipe, state.Normalization);
        var perEpoch = batches.PerEpoch(data.Train);
        if (perEpoch == 0)
            throw new InvalidDataException($"{data.Train.Count} training samples do not fill one batch; batch size {recipe.BatchSize}");
        var total = (long)perEpoch * recipe.Epochs;

        for (var epoch = state.History.Count; !IsFinished(recipe, state.History); epoch++)
        {
            network.train();
            await using (var stream = batches.Training(
                data.Train, seed, epoch, (int)(state.Step - (long)epoch * perEpoch),
                CancellationToken.None).GetAsyncEnumerator(CancellationToken.None))
                while (await stream.MoveNextAsync())
                {
                    state = Step(network, average, teacher, optimizer, stream.Current, state, total);
                    report(new(epoch + 1, recipe.Epochs, (int)(state.Step - (long)epoch * perEpoch), perEpoch,
                        state.Loss / state.Samples, (double)state.Correct / state.Samples, LearningRate(state, total), null));
                    if (cancellation.IsCancellationRequested)
                    {
                        Save(Checkpoint, network, average, optimizer, state);
                        cancellation.ThrowIfCancellationRequested();
                    }
                }

            var (logits, labels) = await InferAsync(architecture, average, state.Normalization, data.Validation, CancellationToken.None);
            var scores = logits.Select(row => EmotionScores.FromLogits(row)).ToList();
            var metrics = Metrics.Compute("", "", scores, labels);
            var result = new EpochResult(epoch + 1, state.Loss / state.Samples, (double)state.Correct / state.Samples,
                Metrics.NegativeLogLikelihood(scores, labels), metrics.Accuracy, metrics.UnweightedAverageRecall);
            var best = recipe.EarlyStoppingPatience == 0 || state.History.All(past => result.ValidationLoss < past.ValidationLoss);
            state = state with { Loss = 0, Correct = 0, Samples = 0, History = [.. state.History, result] };
            // The best weights are written first: a run that is killed in between repeats this epoch with the same result.
            if (best)
                SafeTensors.Write(Best, average.State, JsonSerializer.Serialize(state));
            Save(Checkpoint, network, average, optimizer, state);
            report(new(epoch + 1, recipe.Epochs, perEpoch, perEpoch, result.Loss, result.Accuracy, LearningRate(state, total), result));
        }
        return state;
    }

    /// <summary>Loads a model with the best weights of its members' runs.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="weights">Path of the weights of a member.</param>
    /// <exception cref="FileNotFoundException">A member is not trained.</exception>
    public static (Network Network, Normalization Normalization) LoadBest(Architecture architecture, Func<Architecture, string> weights) =>
        architecture.Combine([.. architecture.Members.Select(member => LoadBest(member, weights(member)))]);

    private static (Network Network, Normalization Normalization) LoadBest(Architecture architecture, string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path} not found: train the model first", path);
        var network = architecture.Build();
        var text = SafeTensors.Read(path, network.State);
        network.eval();
        return (network, JsonSerializer.Deserialize<RunState>(text)!.Normalization);
    }

    /// <summary>Path of the checkpoint of a run.</summary>
    public static string CheckpointPath(string folder) => Path.Combine(folder, CheckpointName);

    /// <summary>Path of the best weights of a run.</summary>
    public static string BestWeightsPath(string folder) => Path.Combine(folder, BestName);

    /// <summary>Computes the logits of all samples with TorchSharp.</summary>
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
        // Dropout uses torch's generator. Seeding it before each step keeps its state out of checkpoints.
        manual_seed(Seeds.Mix(seed, state.Step));
        var input = tensor(batch.Features, batch.Shape, device: _device);
        if (_mixedPrecision)
            input = input.to(bfloat16);
        var (logits, embedding) = network.call(input);
        var targets = tensor(batch.Targets, [batch.Count, EmotionLabels.Count], device: _device);
        if (teacher is not null)
            targets = targets.lerp(TeacherScores(teacher, input), recipe.DistillationWeight);
        var loss = CrossEntropy(logits, targets);
        if (recipe.AuxiliaryLossWeight > 0 && network.AuxiliaryHead is { } head)
            loss += recipe.AuxiliaryLossWeight * CrossEntropy(
                head.call(embedding), tensor(batch.AuxiliaryTargets, [batch.Count, SpeechCorpora.AuxiliaryClasses], device: _device));
        loss.backward();
        nn.utils.clip_grad_norm_(network.parameters(), recipe.MaxGradientNorm);
        state = state with { Step = state.Step + 1 };
        optimizer.Step(LearningRate(state, total), state.Step);
        UpdateAverage(network, average, state.Step);
        return state with
        {
            Loss = state.Loss + loss.item<float>() * batch.Count,
            Correct = state.Correct + logits.argmax(1).eq(targets.argmax(1)).sum().item<long>(),
            Samples = state.Samples + batch.Count,
        };
    }

    // Samples without a target have a row of zeros and contribute no loss.
    private static Tensor CrossEntropy(Tensor logits, Tensor targets) => -(targets * nn.functional.log_softmax(logits, 1)).sum(1).mean();

    private static Tensor TeacherScores(Network teacher, Tensor input)
    {
        using var _ = no_grad();
        return nn.functional.softmax(teacher.call(input).Logits, 1);
    }

    private Network LoadTeacher()
    {
        var teacher = architecture.Build();
        SafeTensors.Read(pretrained
            ?? throw new InvalidDataException(
                $"{architecture.Name} requires the weights of a preceding run as teacher (self-distillation)"), teacher.State);
        teacher.eval();
        return teacher.to(_device);
    }

    private double LearningRate(RunState state, long total)
    {
        if (recipe.EarlyStoppingPatience > 0)
            return recipe.LearningRate * Math.Pow(
                0.5, EpochsWithoutImprovement(state.History).Count(epochs => epochs > 0 && epochs % recipe.PlateauPatience == 0));
        var progress = (double)state.Step / total;
        return recipe.LearningRate * (progress < recipe.WarmupFraction
            ? progress / recipe.WarmupFraction
            : 0.01 + 0.99 * 0.5 * (1 + Math.Cos(Math.PI * (progress - recipe.WarmupFraction) / (1 - recipe.WarmupFraction))));
    }

    /// <summary>True if all epochs are completed or early stopping applies.</summary>
    public static bool IsFinished(Recipe recipe, IReadOnlyList<EpochResult> history) =>
        history.Count >= recipe.Epochs || recipe.EarlyStoppingPatience > 0
            && EpochsWithoutImprovement(history).LastOrDefault() >= recipe.EarlyStoppingPatience;

    /// <summary>Reads the state of a run from a checkpoint or a file of weights; null if the file does not exist.</summary>
    public static RunState? ReadState(string path) =>
        File.Exists(path) ? JsonSerializer.Deserialize<RunState>(SafeTensors.ReadMetadata(path)) : null;

    // For each epoch, the number of epochs since the lowest validation loss.
    private static IEnumerable<int> EpochsWithoutImprovement(IReadOnlyList<EpochResult> history)
    {
        var (lowest, count) = (double.PositiveInfinity, 0);
        foreach (var epoch in history)
        {
            count = epoch.ValidationLoss < lowest ? 0 : count + 1;
            lowest = Math.Min(lowest, epoch.ValidationLoss);
            yield return count;
        }
    }

    // The decay is lower in the first steps, when the weights are still random.
    private void UpdateAverage(Network network, Network average, long step)
    {
        using var _ = no_grad();
        var weight = 1 - Math.Min(recipe.EmaDecay, (1.0 + step) / (10 + step));
        foreach (var ((_, mean), (_, value)) in average.State.Zip(network.State))
            if (mean.dtype == ScalarType.Float32)
                mean.lerp_(value, weight);
            else
                mean.copy_(value); // number of batches of a batch normalization
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
            if (pretrained is not null && !recipe.SelfDistillation)
                foreach (var weights in new[] { network, average })
                    SafeTensors.Read(pretrained, weights.State);
            return new()
            {
                Model = architecture.Name,
                Protocol = data.Protocol,
                Seed = seed,
                Recipe = recipe,
                Normalization = architecture.Input.Features == FeatureKind.WhisperLogMel
                    ? Normalization.Identity(architecture) // Whisper's scale is that of its weights
                    : Normalization.Fit(architecture, data.Train),
            };
        }
        var state = JsonSerializer.Deserialize<RunState>(SafeTensors.Read(Checkpoint, Tensors(network, average, optimizer)))!;
        if (state.Model != architecture.Name || state.Protocol != data.Protocol || state.Seed != seed || state.Recipe != recipe)
            throw new InvalidDataException(
                $"{Checkpoint} belongs to a run of {state.Model} ({state.Protocol}, seed {state.Seed}, {state.Recipe.Epochs} epochs) " +
                "with another recipe; use the same arguments or another --run folder");
        return state;
    }

    private static void Save(string path, Network network, Network average, AdamW optimizer, RunState state) =>
        SafeTensors.Write(path, Tensors(network, average, optimizer), JsonSerializer.Serialize(state));

    private static IEnumerable<(string Name, Tensor Value)> Tensors(Network network, Network average, AdamW optimizer) =>
        network.State.Select(tensor => ($"network.{tensor.Name}", tensor.Value))
            .Concat(average.State.Select(tensor => ($"average.{tensor.Name}", tensor.Value)))
            .Concat(optimizer.State);
}
