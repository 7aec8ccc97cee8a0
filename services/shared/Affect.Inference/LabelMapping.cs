using Affect.Emotions;

namespace Affect.Inference;

/// <summary>Maps a model's logits to scores of the seven emotions: temperature, softmax, sums by <see cref="ModelOutput.LabelMap"/>.</summary>
public sealed class LabelMapping
{
    private const int Ignored = -1;
    private const float Smallest = 1e-30f;

    private readonly int[] _emotions;
    private readonly float _temperature;
    private readonly bool _probabilities;

    /// <summary>Creates the mapping of one model.</summary>
    /// <param name="output">From a validated manifest.</param>
    public LabelMapping(ModelOutput output)
    {
        _temperature = output.Temperature;
        _probabilities = output.Probabilities;
        _emotions = [.. output.Labels.Select(label =>
            EmotionLabels.TryParse(output.LabelMap.GetValueOrDefault(label, label), out var emotion) ? (int)emotion : Ignored)];
    }

    /// <summary>Returns the scores; null if a logit is not finite.</summary>
    /// <param name="logits">One per label of the model; probabilities if the manifest says so.</param>
    public EmotionScores? Map(ReadOnlySpan<float> logits)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, _emotions.Length);
        // Softmax over the mapped labels equals softmax over all labels, renormalized without the ignored ones, and does
        // not underflow if the logit of an ignored label is by far the largest.
        var largest = float.NegativeInfinity;
        for (var i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
                return null;
            if (_emotions[i] != Ignored)
                largest = MathF.Max(largest, Logit(logits[i]));
        }
        EmotionScores weights = default;
        for (var i = 0; i < logits.Length; i++)
            if (_emotions[i] != Ignored)
                weights[_emotions[i]] += MathF.Exp((Logit(logits[i]) - largest) / _temperature);
        return EmotionScores.FromWeights(weights);
    }

    // The softmax of the logarithm of a probability is the probability. The floor avoids log 0 and is negligible in any sum.
    private float Logit(float output) => _probabilities ? MathF.Log(MathF.Max(output, Smallest)) : output;
}
