using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>One model as it is served: its manifest, the version that was loaded, a batcher before its session.</summary>
public sealed class Classifier : IAsyncDisposable
{
    private readonly OnnxModel _model;
    private readonly Batcher _batcher;

    /// <summary>Takes the model over and starts its batcher.</summary>
    public Classifier(
        OnnxModel model, ModelManifest manifest, string version, InferenceOptions options,
        InferenceMetrics metrics, TimeProvider time, ILogger logger)
    {
        _model = model;
        Manifest = manifest;
        Version = version;
        _batcher = new Batcher(manifest.Name, version, model.Run, options, metrics, time, logger);
    }

    /// <summary>What is known of the model.</summary>
    public ModelManifest Manifest { get; }

    /// <summary>The version that serves.</summary>
    public string Version { get; }

    /// <summary>Classifies one input, together with others that come at the same time.</summary>
    /// <param name="input">float32 [frame][feature] for speech, bytes [row][column][channel] for faces; not changed until
    /// the answer comes.</param>
    /// <param name="deadline">UTC; <see cref="DateTime.MaxValue"/> for none.</param>
    /// <param name="cancellationToken">The caller's.</param>
    /// <exception cref="InvalidInputException">Wrong size, NaN or infinity, or values far beyond what the model was made for.</exception>
    /// <inheritdoc cref="Batcher.RunAsync" path="/exception"/>
    public async Task<Classification> ClassifyAsync(ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        if (_model.Input.Check(input.Span) is { } mistake)
            throw new InvalidInputException(mistake);
        return await _batcher.RunAsync(input, deadline, cancellationToken)
            ?? throw new InvalidInputException("has values for which the model gives no finite answer");
    }

    /// <summary>Answers what waits, then lets go of the session.</summary>
    public async ValueTask DisposeAsync()
    {
        await _batcher.DisposeAsync();
        _model.Dispose();
    }
}
