using Affect.Emotions;

namespace Affect.Inference;

/// <summary>What a model said about one input.</summary>
/// <param name="Outcome"><see cref="Outcome.Ok"/>, or <see cref="Outcome.Uncertain"/> where the best score lies below the
/// model's threshold.</param>
/// <param name="Scores">Calibrated scores of the seven.</param>
/// <param name="Embedding">What the last layer but one saw; empty where the model has no such output.</param>
public sealed record Classification(Outcome Outcome, EmotionScores Scores, float[] Embedding);

/// <summary>An input that the model cannot take; the message is for the client.</summary>
public sealed class InvalidInputException(string message) : Exception(message);

/// <summary>The queue is full, which is worth another try after a while.</summary>
public sealed class QueueFullException(TimeSpan retryAfter) : Exception("The queue is full.")
{
    /// <summary>About how long the queue takes to empty, by the throughput measured.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>The deadline passed before the input's turn came; it was not computed.</summary>
public sealed class DeadlinePassedException() : Exception("The deadline passed in the queue.");

/// <summary>The batch that held the input failed; the log has why.</summary>
public sealed class BatchFailedException(Exception inner) : Exception("The batch failed.", inner);

/// <summary>No model answers: none has been loaded yet, or the service is stopping.</summary>
public sealed class NotServingException(string message) : Exception(message);

/// <summary>A model that cannot be served; the message lists every reason.</summary>
public sealed class ModelRefusedException(IEnumerable<string> reasons) : Exception(string.Join("; ", reasons));
