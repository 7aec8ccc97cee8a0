using Affect.Emotions;

namespace Affect.Inference;

/// <summary>From a model's own logits to the seven: temperature, softmax, sums by <see cref="ModelOutput.LabelMap"/>.</summary>
public sealed class LabelMapping
{
    private const int LeftOut = -1;
    private const float Smallest = 1e-30f;

    private readonly int[] _emotions;
    private readonly float _temperature;
    private readonly bool _probabilities;

    /// <summary>A mapping for outputs of one model, whose manifest has been validated.</summary>
    public LabelMapping(ModelOutput output)
    {
        _temperature = output.Temperature;
        _probabilities = output.Probabilities;
        _emotions = [.. output.Labels.Select(label =>
            EmotionLabels.TryParse(output.LabelMap.GetValueOrDefault(label, label), out var emotion) ? (int)emotion : LeftOut)];
    }

    /// <summary>Scores of the seven; null where a logit is not finite.</summary>
    /// <param name="logits">One for each of the model's own labels; probabilities where the manifest says so.</param>
    public EmotionScores? Map(ReadOnlySpan<float> logits)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, _emotions.Length);
        // Softmax over the labels that are kept is the same as softmax over all, the left out taken away
        // and the rest scaled to 1, but loses nothing where a label that is left out towers over the rest.
        var largest = float.NegativeInfinity;
        for (var i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
                return null;
            if (_emotions[i] != LeftOut)
                largest = MathF.Max(largest, Logit(logits[i]));
        }
        EmotionScores weights = default;
        for (var i = 0; i < logits.Length; i++)
            if (_emotions[i] != LeftOut)
                weights[_emotions[i]] += MathF.Exp((Logit(logits[i]) - largest) / _temperature);
        return EmotionScores.FromWeights(weights);
    }

    // The softmax of its logarithm is the probability itself. None is so small that a sum of others would not hide it.
    private float Logit(float output) => _probabilities ? MathF.Log(MathF.Max(output, Smallest)) : output;
}
