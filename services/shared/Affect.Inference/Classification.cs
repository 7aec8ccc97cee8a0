using Affect.Emotions;

namespace Affect.Inference;

/// <summary>The result of a model for one input.</summary>
/// <param name="Outcome"><see cref="Outcome.Ok"/>, or <see cref="Outcome.Uncertain"/> if the best score is below the
/// model's threshold.</param>
/// <param name="Scores">Calibrated scores of the seven emotions.</param>
/// <param name="Embedding">Activations of the penultimate layer; empty if the model has no such output.</param>
public sealed record Classification(Outcome Outcome, EmotionScores Scores, float[] Embedding);

/// <summary>An input that the model does not accept; the message is safe to return to the client.</summary>
public sealed class InvalidInputException(string message) : Exception(message);

/// <summary>The queue is full; a retry may succeed.</summary>
public sealed class QueueFullException(TimeSpan retryAfter) : Exception("The queue is full.")
{
    /// <summary>Estimated time until the queue is empty, by measured throughput.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>The deadline expired in the queue; the input was not computed.</summary>
public sealed class DeadlinePassedException() : Exception("The deadline expired in the queue.");

/// <summary>The batch of the input failed; the log has the cause.</summary>
public sealed class BatchFailedException(Exception inner) : Exception("The batch failed.", inner);

/// <summary>No model is available: none is loaded yet, or the service is stopping.</summary>
public sealed class NotServingException(string message) : Exception(message);

/// <summary>A model cannot be served; the message lists every reason.</summary>
public sealed class ModelRejectedException(IEnumerable<string> reasons) : Exception(string.Join("; ", reasons));
