using System.Collections.Frozen;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>
/// The models of one modality. Loads them in the background once the process starts; healthy as soon as the default
/// has been warmed up. Safe to share: what serves is one immutable set, replaced as a whole.
/// </summary>
public sealed class Classifiers(
    Modality modality, InferenceOptions options, InferenceMetrics metrics, TimeProvider time, ILogger<Classifiers> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly FrozenDictionary<string, Classifier> None = FrozenDictionary<string, Classifier>.Empty;

    private readonly ModelRepository _repository = new(options.ModelsPath, modality, logger);
    private volatile FrozenDictionary<string, Classifier> _byName = None;
    private volatile Classifier? _default;
    private volatile string _state = "the models are being loaded";

    /// <summary>What serves now, by name.</summary>
    public IEnumerable<Classifier> All => _byName.Values.OrderBy(classifier => classifier.Manifest.Name, StringComparer.Ordinal);

    /// <summary>The model of that name, or the default where the name is empty; null where there is no such model.</summary>
    /// <exception cref="NotServingException">No model serves (yet).</exception>
    public Classifier? Find(string name)
    {
        if (name.Length == 0)
            return _default ?? throw new NotServingException(_state);
        return _byName.TryGetValue(name, out var classifier) ? classifier
            : _default is null ? throw new NotServingException(_state)
            : null;
    }

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_default is null ? HealthCheckResult.Unhealthy(_state) : HealthCheckResult.Healthy());

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">ONNX Runtime was built without the provider that is configured.</exception>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        var provider = options.Provider switch
        {
            ExecutionProvider.Cuda => "CUDAExecutionProvider",
            ExecutionProvider.TensorRt => "TensorrtExecutionProvider",
            _ => "CPUExecutionProvider",
        };
        var available = OnnxEnvironment.Instance.GetAvailableProviders();
        if (!available.Contains(provider))
            throw new InvalidOperationException(
                $"Provider {options.Provider} is configured, but this build has only {string.Join(", ", available)}; build with -p:AffectGpu=true.");
        return base.StartAsync(cancellationToken);
    }

    /// <summary>Waits for what is being computed; no input is taken any more.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        _state = "the service is stopping";
        var classifiers = _byName.Values;
        _default = null;
        _byName = None;
        foreach (var classifier in classifiers)
            await classifier.DisposeAsync().AsTask().WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Load(stoppingToken);
        return Task.CompletedTask;
    }

    private void Load(CancellationToken stoppingToken)
    {
        var manifests = _repository.ReadManifests();
        var defaults = manifests.Where(manifest => manifest.Default).Select(manifest => manifest.Name).ToList();
        if (defaults.Count != 1)
        {
            Refuse(defaults.Count == 0
                ? $"of {manifests.Count} right manifests none says that it is the default"
                : $"{string.Join(" and ", defaults)} all say that they are the default");
            return;
        }

        var loaded = new Dictionary<string, Classifier>();
        foreach (var manifest in manifests)
        {
            if (stoppingToken.IsCancellationRequested)
                break;
            var started = time.GetTimestamp();
            if (_repository.LoadNewest(manifest, options, out var version) is not { } model)
                continue;
            loaded.Add(manifest.Name, new Classifier(model, manifest, version, options, metrics, time, logger));
            var duration = time.GetElapsedTime(started);
            Log.ModelServes(logger, manifest.Name, version, duration);
        }
        _byName = loaded.ToFrozenDictionary();
        var name = defaults[0];
        if (loaded.TryGetValue(name, out var classifier))
        {
            _default = classifier;
            Log.ModelsReady(logger, loaded.Count, modality, name);
        }
        else
            Refuse($"{name}, the default, has no good version");
    }

    private void Refuse(string reason)
    {
        _state = "there is no default model; the log has why";
        Log.NoDefault(logger, modality, _repository.Root, reason);
    }
}
