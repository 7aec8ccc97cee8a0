using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>
/// A batch: features, [count, 7] targets whose rows sum to 1, labels, [count, <see cref="SpeechCorpora.AuxiliaryClasses"/>]
/// targets of the auxiliary task, whose rows sum to 1 or, without an auxiliary label, to 0.
/// </summary>
internal sealed record Batch(int Count, long[] Shape, float[] Features, float[] Targets, long[] Labels, float[] AuxiliaryTargets);

/// <summary>
/// Produces batches on a background task, ahead of the training loop. Shuffling, augmentation and mixup depend only on seed,
/// epoch and position, so that training can resume at any step.
/// </summary>
internal sealed class Batches(Architecture architecture, Recipe recipe, Normalization normalization)
{
    private const int PrefetchedBatches = 4;

    /// <summary>Number of batches per epoch; an incomplete last batch is dropped.</summary>
    public int PerEpoch(Samples samples) => LimitSpeakers(Enumerable.Range(0, samples.Count), samples).Count / recipe.BatchSize;

    // Draws as many samples as there are, with replacement, and with a weight of 1/√(samples of the same corpus and emotion).
    private static int[] DrawBalanced(Samples samples, Random random)
    {
        var groups = Enumerable.Range(0, samples.Count).Select(i => (samples.Speaker(i).Split('/')[0], samples.Label(i))).ToArray();
        var sizes = groups.CountBy(group => group).ToDictionary();
        var (sums, sum) = (new double[samples.Count], 0.0);
        for (var i = 0; i < sums.Length; i++)
            sums[i] = sum += 1 / Math.Sqrt(sizes[groups[i]]);
        var order = new int[samples.Count];
        for (var i = 0; i < order.Length; i++)
        {
            var at = Array.BinarySearch(sums, random.NextDouble() * sum);
            order[i] = Math.Min(at < 0 ? ~at : at, sums.Length - 1);
        }
        return order;
    }

    /// <summary>
    /// Training batches of an epoch, starting at a batch: shuffled and, depending on the recipe, augmented, mixed and smoothed.
    /// </summary>
    public IAsyncEnumerable<Batch> Training(Samples samples, int seed, int epoch, int start, CancellationToken cancellation)
    {
        var order = Enumerable.Range(0, samples.Count).ToArray();
        var drawing = new Random(Seeds.Mix(seed, epoch));
        if (recipe.BalanceCorpora)
            order = DrawBalanced(samples, drawing);
        else
            drawing.Shuffle(order);
        var selected = LimitSpeakers(order, samples).ToArray();
        var fineTuning = epoch >= recipe.Epochs - recipe.FineTuneEpochs;
        var shape = architecture.Shape;
        if (recipe.ImageSize > 0 && !fineTuning)
            shape = [shape[0], recipe.ImageSize, recipe.ImageSize];
        return Produce(Enumerable.Range(start, PerEpoch(samples) - start).Select(number =>
        {
            var batch = Load(samples, shape, selected.AsSpan(number * recipe.BatchSize, recipe.BatchSize),
                (i, position) => recipe.Augment ? new Augmentation(new(Seeds.Mix(seed, epoch, i, position)), fineTuning) : null);
            for (var i = 0; i < batch.Targets.Length; i++)
                batch.Targets[i] = (float)(batch.Targets[i] * (1 - recipe.LabelSmoothing) + recipe.LabelSmoothing / EmotionLabels.Count);
            if (recipe.MixupAlpha > 0)
                Mix(batch, new Random(Seeds.Mix(seed, epoch, number, -1)));
            return batch;
        }), cancellation);
    }

    /// <summary>Evaluation batches: all samples in order, without augmentation.</summary>
    public IAsyncEnumerable<Batch> Evaluation(Samples samples, CancellationToken cancellation) =>
        Produce(Enumerable.Range(0, samples.Count).Chunk(recipe.BatchSize)
            .Select(indices => Load(samples, architecture.Shape, indices, (_, _) => null)), cancellation);

    // At most MaxClipsPerSpeaker clips of each speaker.
    private List<int> LimitSpeakers(IEnumerable<int> order, Samples samples)
    {
        if (recipe.MaxClipsPerSpeaker == 0)
            return [.. order];
        var counts = new Dictionary<string, int>();
        return [.. order.Where(
            i => (counts[samples.Speaker(i)] = counts.GetValueOrDefault(samples.Speaker(i)) + 1) <= recipe.MaxClipsPerSpeaker)];
    }

    private Batch Load(Samples samples, long[] shape, ReadOnlySpan<int> indices, Func<int, int, Augmentation?> augmentation)
    {
        var length = (int)shape.Aggregate(1L, (product, size) => product * size);
        var count = indices.Length;
        var batch = new Batch(
            count, [count, .. shape], new float[count * length], new float[count * EmotionLabels.Count], new long[count],
            new float[count * SpeechCorpora.AuxiliaryClasses]);
        for (var i = 0; i < count; i++)
        {
            var features = batch.Features.AsSpan(i * length, length);
            var sampleAugmentation = augmentation(indices[i], i);
            samples.Fill(indices[i], sampleAugmentation, features);
            if (sampleAugmentation is { Weak: false, Random: var random } && architecture.Modality == Modality.Speech
                && architecture is not WhisperHead) // the states of an encoder have no bands
                SpecAugment.Apply(random, features, architecture.Input.Channels, architecture.Input.Features);
            normalization.Apply(architecture, features);
            batch.Labels[i] = (int)samples.Label(indices[i]);
            samples.Target(indices[i], batch.Targets.AsSpan(i * EmotionLabels.Count, EmotionLabels.Count));
            if (samples.AuxiliaryLabel(indices[i]) is { } label)
                batch.AuxiliaryTargets[i * SpeechCorpora.AuxiliaryClasses + label] = 1;
        }
        return batch;
    }

    // Mixes each sample with its counterpart from the other end of the shuffled batch.
    private void Mix(Batch batch, Random random)
    {
        var weight = (float)Beta(random, recipe.MixupAlpha);
        Mix(batch.Features, batch.Features.Length / batch.Count);
        Mix(batch.Targets, EmotionLabels.Count);
        Mix(batch.AuxiliaryTargets, SpeechCorpora.AuxiliaryClasses);

        void Mix(float[] values, int length)
        {
            for (int first = 0, second = batch.Count - 1; first < second; first++, second--)
                for (var i = 0; i < length; i++)
                {
                    ref var a = ref values[first * length + i];
                    ref var b = ref values[second * length + i];
                    (a, b) = (weight * a + (1 - weight) * b, weight * b + (1 - weight) * a);
                }
        }
    }

    // Samples Beta(α, α) for small α (Jöhnk 1964).
    private static double Beta(Random random, double alpha)
    {
        while (true)
        {
            var (x, y) = (Math.Pow(random.NextDouble(), 1 / alpha), Math.Pow(random.NextDouble(), 1 / alpha));
            if (x + y is > 0 and <= 1)
                return x / (x + y);
        }
    }

    private static async IAsyncEnumerable<Batch> Produce(
        IEnumerable<Batch> batches, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var channel = Channel.CreateBounded<Batch>(PrefetchedBatches);
        var producer = Task.Run(async () =>
        {
            try
            {
                foreach (var batch in batches)
                    await channel.Writer.WriteAsync(batch, stop.Token);
                channel.Writer.Complete();
            }
            catch (Exception exception)
            {
                channel.Writer.Complete(exception);
            }
        }, CancellationToken.None);
        try
        {
            await foreach (var batch in channel.Reader.ReadAllAsync(cancellation))
                yield return batch;
        }
        finally
        {
            await stop.CancelAsync();
            await producer;
        }
    }
}
