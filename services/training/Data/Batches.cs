using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Affect.Emotions;
using Affect.Inference;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>
/// Samples side by side: features of a shape that begins with their number, [count, 7] targets that sum to 1, the labels, and [count, <see cref="SpeechCorpora.Details"/>]
/// targets that sum to 1 or, where nothing is known, to 0.
/// </summary>
internal sealed record Batch(int Count, long[] Shape, float[] Features, float[] Targets, long[] Labels, float[] Details);

/// <summary>
/// Turns samples to batches, ahead of the learner in a thread of its own. Order, augmentation and mixing
/// depend on seed, epoch and place alone, so that any step can be taken up again.
/// </summary>
internal sealed class Batches(Architecture architecture, Recipe recipe, Normalization normalization)
{
    private const int Ahead = 4;

    /// <summary>Number of whole batches; the few samples left over come another time.</summary>
    public int PerEpoch(Samples samples) => Draw(Enumerable.Range(0, samples.Count), samples).Count / recipe.BatchSize;

    /// <summary>An epoch's batches from one on: shuffled and, as the recipe says, augmented, mixed, smoothed.</summary>
    public IAsyncEnumerable<Batch> Training(Samples samples, int seed, int epoch, int from, CancellationToken cancellation)
    {
        var order = Enumerable.Range(0, samples.Count).ToArray();
        new Random(Seeds.Of(seed, epoch)).Shuffle(order);
        var drawn = Draw(order, samples).ToArray();
        var gentle = epoch >= recipe.Epochs - recipe.GentleEpochs;
        var shape = architecture.Shape;
        if (recipe.Edge > 0 && !gentle)
            shape = [shape[0], recipe.Edge, recipe.Edge];
        return Produce(Enumerable.Range(from, PerEpoch(samples) - from).Select(number =>
        {
            var batch = Plain(samples, shape, drawn.AsSpan(number * recipe.BatchSize, recipe.BatchSize),
                i => recipe.Augment ? new Augmentation(new(Seeds.Of(seed, epoch, i)), gentle) : null);
            for (var i = 0; i < batch.Targets.Length; i++)
                batch.Targets[i] = (float)(batch.Targets[i] * (1 - recipe.LabelSmoothing) + recipe.LabelSmoothing / EmotionLabels.Count);
            if (recipe.Mixup > 0)
                Mix(batch, new Random(Seeds.Of(seed, epoch, number, -1)));
            return batch;
        }), cancellation);
    }

    /// <summary>All samples in their order, as they are.</summary>
    public IAsyncEnumerable<Batch> Evaluation(Samples samples, CancellationToken cancellation) =>
        Produce(Enumerable.Range(0, samples.Count).Chunk(recipe.BatchSize).Select(indices => Plain(samples, architecture.Shape, indices, _ => null)), cancellation);

    // The first so many of each speaker.
    private List<int> Draw(IEnumerable<int> order, Samples samples)
    {
        if (recipe.PerSpeaker == 0)
            return [.. order];
        var heard = new Dictionary<string, int>();
        return [.. order.Where(i => (heard[samples.Speaker(i)] = heard.GetValueOrDefault(samples.Speaker(i)) + 1) <= recipe.PerSpeaker)];
    }

    private Batch Plain(Samples samples, long[] shape, ReadOnlySpan<int> indices, Func<int, Augmentation?> augmentation)
    {
        var length = (int)shape.Aggregate(1L, (product, size) => product * size);
        var count = indices.Length;
        var batch = new Batch(count, [count, .. shape], new float[count * length], new float[count * EmotionLabels.Count], new long[count], new float[count * SpeechCorpora.Details]);
        for (var i = 0; i < count; i++)
        {
            var features = batch.Features.AsSpan(i * length, length);
            var change = augmentation(indices[i]);
            samples.Fill(indices[i], change, features);
            if (change is { Gentle: false, Random: var random } && architecture.Modality == Modality.Speech)
                SpecAugment.Apply(random, features, architecture.Input.Channels, bands: architecture.Input.Features == FeatureKind.LogMel);
            normalization.Apply(architecture, features);
            batch.Labels[i] = (int)samples.Label(indices[i]);
            samples.Target(indices[i], batch.Targets.AsSpan(i * EmotionLabels.Count, EmotionLabels.Count));
            if (samples.Detail(indices[i]) is { } detail)
                batch.Details[i * SpeechCorpora.Details + detail] = 1;
        }
        return batch;
    }

    // Each sample with its counterpart from the other end of the batch, which is in random order anyway.
    private void Mix(Batch batch, Random random)
    {
        var share = (float)Beta(random, recipe.Mixup);
        Mix(batch.Features, batch.Features.Length / batch.Count);
        Mix(batch.Targets, EmotionLabels.Count);
        Mix(batch.Details, SpeechCorpora.Details);

        void Mix(float[] values, int length)
        {
            for (int first = 0, second = batch.Count - 1; first < second; first++, second--)
                for (var i = 0; i < length; i++)
                {
                    ref var a = ref values[first * length + i];
                    ref var b = ref values[second * length + i];
                    (a, b) = (share * a + (1 - share) * b, share * b + (1 - share) * a);
                }
        }
    }

    // Jöhnk 1964: Beta(α, α) for small α, from two uniform numbers.
    private static double Beta(Random random, double alpha)
    {
        while (true)
        {
            var (x, y) = (Math.Pow(random.NextDouble(), 1 / alpha), Math.Pow(random.NextDouble(), 1 / alpha));
            if (x + y is > 0 and <= 1)
                return x / (x + y);
        }
    }

    private static async IAsyncEnumerable<Batch> Produce(IEnumerable<Batch> batches, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var channel = Channel.CreateBounded<Batch>(Ahead);
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
