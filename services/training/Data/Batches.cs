using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Affect.Emotions;
using Affect.Training.Architectures;

namespace Affect.Training.Data;

/// <summary>Samples side by side: [count, length] features, [count, 7] targets that sum to 1, and the labels.</summary>
internal sealed record Batch(int Count, float[] Features, float[] Targets, long[] Labels);

/// <summary>
/// Turns samples to batches, ahead of the learner in a thread of its own. Order, augmentation and mixing
/// depend on seed, epoch and place alone, so that any step can be taken up again.
/// </summary>
internal sealed class Batches(Architecture architecture, Recipe recipe, Normalization normalization)
{
    private const int Ahead = 4;

    /// <summary>Number of whole batches; the few samples left over come another time.</summary>
    public int PerEpoch(Samples samples) => samples.Count / recipe.BatchSize;

    /// <summary>An epoch's batches from one on: shuffled, augmented, mixed, smoothed.</summary>
    public IAsyncEnumerable<Batch> Training(Samples samples, int seed, int epoch, int from, CancellationToken cancellation)
    {
        var order = Enumerable.Range(0, samples.Count).ToArray();
        new Random(Seeds.Of(seed, epoch)).Shuffle(order);
        var gentle = epoch >= recipe.Epochs - recipe.GentleEpochs;
        return Produce(Enumerable.Range(from, PerEpoch(samples) - from).Select(number =>
        {
            var batch = Plain(samples, order.AsSpan(number * recipe.BatchSize, recipe.BatchSize), i => new Augmentation(new(Seeds.Of(seed, epoch, i)), gentle));
            for (var i = 0; i < batch.Targets.Length; i++)
                batch.Targets[i] = (float)(batch.Targets[i] * (1 - recipe.LabelSmoothing) + recipe.LabelSmoothing / EmotionLabels.Count);
            if (recipe.Mixup > 0)
                Mix(batch, new Random(Seeds.Of(seed, epoch, number, -1)));
            return batch;
        }), cancellation);
    }

    /// <summary>All samples in their order, as they are.</summary>
    public IAsyncEnumerable<Batch> Evaluation(Samples samples, CancellationToken cancellation) =>
        Produce(Enumerable.Range(0, samples.Count).Chunk(recipe.BatchSize).Select(indices => Plain(samples, indices, _ => null)), cancellation);

    private Batch Plain(Samples samples, ReadOnlySpan<int> indices, Func<int, Augmentation?> augmentation)
    {
        var length = architecture.Length;
        var batch = new Batch(indices.Length, new float[indices.Length * length], new float[indices.Length * EmotionLabels.Count], new long[indices.Length]);
        for (var i = 0; i < indices.Length; i++)
        {
            var features = batch.Features.AsSpan(i * length, length);
            samples.Fill(indices[i], augmentation(indices[i]), features);
            normalization.Apply(architecture, features);
            var label = (int)samples.Label(indices[i]);
            batch.Labels[i] = label;
            batch.Targets[i * EmotionLabels.Count + label] = 1;
        }
        return batch;
    }

    // Each sample with its counterpart from the other end of the batch, which is in random order anyway.
    private void Mix(Batch batch, Random random)
    {
        var share = (float)Beta(random, recipe.Mixup);
        Mix(batch.Features, batch.Features.Length / batch.Count);
        Mix(batch.Targets, EmotionLabels.Count);

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
