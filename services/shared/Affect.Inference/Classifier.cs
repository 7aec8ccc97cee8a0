using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>A model in service: its manifest, the loaded version, and a batcher in front of its session.</summary>
public sealed class Classifier : IAsyncDisposable
{
    private readonly OnnxModel _model;
    private readonly Batcher _batcher;

    /// <summary>Starts the batcher. Takes ownership of the model.</summary>
    public Classifier(
        OnnxModel model, ModelManifest manifest, string version, InferenceOptions options,
        InferenceMetrics metrics, TimeProvider time, ILogger logger)
    {
        _model = model;
        Manifest = manifest;
        Version = version;
        _batcher = new Batcher(manifest.Name, version, model.Run, options, metrics, time, logger);
    }

    /// <summary>Manifest of the model.</summary>
    public ModelManifest Manifest { get; }

    /// <summary>The loaded version.</summary>
    public string Version { get; }

    /// <summary>Classifies one input, batched with concurrent ones.</summary>
    /// <param name="tenant">Tenant of the request; tenants take turns.</param>
    /// <param name="input">float32 [frame][feature] for speech, bytes [row][column][channel] for faces; must not
    /// change until the task completes.</param>
    /// <param name="deadline">UTC; <see cref="DateTime.MaxValue"/> for none.</param>
    /// <param name="cancellationToken">The caller's.</param>
    /// <exception cref="InvalidInputException">Wrong size, NaN or infinity, or values so large that the model gives no finite output.</exception>
    /// <inheritdoc cref="Batcher.RunAsync" path="/exception"/>
    public async Task<Classification> ClassifyAsync(string tenant, ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        if (_model.Input.Check(input.Span) is { } error)
            throw new InvalidInputException(error);
        return await _batcher.RunAsync(tenant, input, deadline, cancellationToken)
            ?? throw new InvalidInputException("has values for which the model gives no finite output");
    }

    /// <summary>Computes the queued inputs, then disposes the session.</summary>
    public async ValueTask DisposeAsync()
    {
        await _batcher.DisposeAsync();
        _model.Dispose();
    }
}
