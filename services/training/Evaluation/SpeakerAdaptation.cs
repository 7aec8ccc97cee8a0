using Affect.Emotions;

namespace Affect.Training.Evaluation;

/// <summary>
/// Adapts the scores of a call to its speaker: estimates how far the speaker's voice shifts the logarithms of the scores, from all
/// windows so far, and subtracts that shift (iterative feature normalization, Busso et al. 2011).
/// </summary>
/// <param name="NeutralOdds">
/// Prior odds of neutral against any other emotion, for the emotion that a window is thought to show. Infinity takes all windows for
/// neutral, so that the shift is their plain mean; 1 believes the scores.
/// </param>
/// <param name="Shrinkage">Weight of no shift, in windows.</param>
/// <param name="Strength">Share of the shift that is subtracted, [0, 1]; 1/2 is the geometric mean with the unadapted scores.</param>
/// <param name="WeighNeutral">True to weight windows by their probability of neutral.</param>
internal sealed record SpeakerAdaptation(float NeutralOdds, float Shrinkage, float Strength = 1, bool WeighNeutral = false)
{
    private const int Count = EmotionLabels.Count;

    /// <summary>No adaptation.</summary>
    public static SpeakerAdaptation None { get; } = new(1, 1, Strength: 0);

    /// <summary>Centered logarithms of scores.</summary>
    public static float[] Logarithms(EmotionScores scores)
    {
        var logarithms = new float[Count];
        for (var i = 0; i < Count; i++)
            logarithms[i] = MathF.Log(MathF.Max(scores[i], 1e-6f));
        var mean = logarithms.Average();
        return Array.ConvertAll(logarithms, value => value - mean);
    }

    /// <summary>Mean logarithms of scores of each emotion; groups count the same. An emotion that no group has gets zeros.</summary>
    public static float[][] Expect(IEnumerable<IReadOnlyList<(EmotionScores Scores, Emotion Label)>> groups)
    {
        var expected = Enumerable.Range(0, Count).Select(_ => new float[Count]).ToArray();
        var counts = new int[Count];
        foreach (var emotion in groups.SelectMany(group => group.GroupBy(window => window.Label)))
        {
            counts[(int)emotion.Key]++;
            foreach (var (scores, _) in emotion)
            {
                var logarithms = Logarithms(scores);
                for (var i = 0; i < Count; i++)
                    expected[(int)emotion.Key][i] += logarithms[i] / emotion.Count();
            }
        }
        for (var emotion = 0; emotion < Count; emotion++)
            for (var i = 0; i < Count; i++)
                expected[emotion][i] /= Math.Max(1, counts[emotion]);
        return expected;
    }

    /// <summary>Adapts the windows of a call in order; each depends on the windows so far only.</summary>
    /// <param name="windows">Scores of the windows.</param>
    /// <param name="expected">Logarithms that windows of each emotion have on average.</param>
    public IReadOnlyList<EmotionScores> Apply(IEnumerable<EmotionScores> windows, float[][] expected)
    {
        var adapted = new List<EmotionScores>();
        var (sum, weights) = (new float[Count], 0f);
        var shift = new float[Count];
        foreach (var scores in windows)
        {
            var logarithms = Logarithms(scores);
            var believed = Softmax(logarithms, shift, 1);
            var weight = WeighNeutral ? believed[Emotion.Neutral] : 1;
            var emotions = new float[Count];
            for (var i = 0; i < Count; i++)
                emotions[i] = float.IsPositiveInfinity(NeutralOdds) ? (i == 0 ? 1 : 0) : believed[i] * (i == 0 ? NeutralOdds : 1);
            var total = emotions.Sum();
            weights += weight;
            for (var i = 0; i < Count; i++)
            {
                var mean = 0f;
                for (var emotion = 0; emotion < Count; emotion++)
                    mean += emotions[emotion] / total * expected[emotion][i];
                sum[i] += weight * (logarithms[i] - mean);
            }
            for (var i = 0; i < Count; i++)
                shift[i] = sum[i] / (weights + Shrinkage);
            adapted.Add(Softmax(logarithms, shift, Strength));
        }
        return adapted;
    }

    private static EmotionScores Softmax(float[] logarithms, float[] shift, float strength)
    {
        Span<float> values = stackalloc float[Count];
        for (var i = 0; i < Count; i++)
            values[i] = logarithms[i] - (strength * shift[i]);
        return EmotionScores.FromLogits(values);
    }
}
