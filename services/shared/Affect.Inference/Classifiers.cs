using System.Collections.Frozen;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>
/// The models of one modality. Loads them in the background after the process starts; healthy once the default model is
/// warmed up. Watches the repository and loads changes without interrupting service. Thread-safe: the models in service are
/// one immutable set, replaced as a whole.
/// </summary>
public sealed class Classifiers(
    Modality modality, InferenceOptions options, InferenceMetrics metrics, TimeProvider time, ILogger<Classifiers> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly FrozenDictionary<string, Served> None = FrozenDictionary<string, Served>.Empty;

    private readonly ModelRepository _repository = new(options.ModelsPath, modality, logger);
    private volatile FrozenDictionary<string, Served> _byName = None;
    private volatile Served? _default;
    private volatile string _state = "the models are loading";

    /// <summary>Models in service, by name, without versions on trial.</summary>
    public IEnumerable<Classifier> All => _byName.Values.Select(served => served.Stable)
        .OrderBy(classifier => classifier.Manifest.Name, StringComparer.Ordinal);

    /// <summary>
    /// The model of that name, or the default if the name is empty; null if no such model exists. A version on trial is
    /// returned for its share of the requests.
    /// </summary>
    /// <exception cref="NotServingException">No model is loaded yet.</exception>
    public Classifier? Find(string name)
    {
        if (name.Length == 0)
            return _default?.Pick() ?? throw new NotServingException(_state);
        return _byName.TryGetValue(name, out var served) ? served.Pick()
            : _default is null ? throw new NotServingException(_state)
            : null;
    }

    /// <summary>Classifies one input with the model of that name, or the default if the name is empty.</summary>
    /// <returns>Null if no such model exists.</returns>
    /// <exception cref="NotServingException">No model is loaded yet, or the service is stopping.</exception>
    /// <inheritdoc cref="Classifier.ClassifyAsync" path="/param"/>
    /// <inheritdoc cref="Classifier.ClassifyAsync" path="/exception"/>
    public async Task<(Classifier Model, Classification Result)?> ClassifyAsync(
        string name, string tenant, ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        while (Find(name) is { } classifier)
        {
            try
            {
                return (classifier, await classifier.ClassifyAsync(tenant, input, deadline, cancellationToken));
            }
            catch (NotServingException) when (!Serves(classifier))
            {
                // Replaced after it was found: find its successor.
            }
        }
        return null;
    }

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_default is null ? HealthCheckResult.Unhealthy(_state) : HealthCheckResult.Healthy());

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">ONNX Runtime was built without the configured provider.</exception>
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
                $"Provider {options.Provider} must be one of this build's ({string.Join(", ", available)}); build with -p:AffectGpu=true.");
        return base.StartAsync(cancellationToken);
    }

    /// <summary>Rejects further inputs and waits for the queued ones.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        _state = "the service is stopping";
        var serving = _byName.Values;
        _default = null;
        _byName = None;
        foreach (var served in serving)
            await served.DisposeAsync().AsTask().WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var taken = _repository.Fingerprints() ?? FrozenDictionary<string, string>.Empty;
        await LoadAsync(taken, stoppingToken);
        if (options.WatchInterval == TimeSpan.Zero)
            return;

        // Network volumes raise no change events, so the folder is polled.
        using var timer = new PeriodicTimer(options.WatchInterval, time);
        var last = taken;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (_repository.Fingerprints() is not { } now)
                continue;
            // Waits until two polls agree: copying a large file takes time.
            if (!Same(now, taken) && Same(now, last))
                await LoadAsync(taken = now, stoppingToken);
            last = now;
        }

        static bool Same(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
            a.Count == b.Count && a.All(folder => b.GetValueOrDefault(folder.Key) == folder.Value);
    }

    /// <summary>Loads new and changed models, and disposes those they replace.</summary>
    private async Task LoadAsync(IReadOnlyDictionary<string, string> fingerprints, CancellationToken stoppingToken)
    {
        var before = _byName;
        var manifests = _repository.ReadManifests();
        var defaults = manifests.Where(manifest => manifest.Default).Select(manifest => manifest.Name).ToList();
        if (defaults.Count != 1)
        {
            ReportNoDefault(defaults.Count == 0
                ? $"one of {manifests.Count} valid manifests must set default"
                : $"only one of {string.Join(", ", defaults)} may set default");
            return;
        }

        var loaded = new Dictionary<string, Served>();
        foreach (var manifest in manifests)
        {
            if (stoppingToken.IsCancellationRequested)
                break;
            var fingerprint = fingerprints.GetValueOrDefault(manifest.Name, "");
            if (before.TryGetValue(manifest.Name, out var old) && old.Fingerprint == fingerprint)
                loaded.Add(manifest.Name, old);
            else if (Load(manifest, fingerprint) is { } served)
                loaded.Add(manifest.Name, served);
        }
        // A model whose update is invalid stays in service; one whose folder was deleted does not.
        foreach (var (model, served) in before)
            if (fingerprints.ContainsKey(model))
                loaded.TryAdd(model, served);

        var name = defaults[0];
        _byName = loaded.ToFrozenDictionary();
        if (loaded.TryGetValue(name, out var @default))
        {
            _default = @default;
            Log.ModelsReady(logger, loaded.Count, modality, name);
        }
        else
            ReportNoDefault($"the default model, {name}, has no valid version");

        foreach (var (model, served) in before)
            if (!ReferenceEquals(_byName.GetValueOrDefault(model), served) && !ReferenceEquals(_default, served))
                await served.DisposeAsync();
    }

    private Served? Load(ModelManifest manifest, string fingerprint)
    {
        Classifier? trial = null;
        var share = 1.0; // of the version before the one on trial
        foreach (var version in manifest.Versions.Reverse())
        {
            var started = time.GetTimestamp();
            if (_repository.TryLoad(manifest, version, options) is not { } model)
                continue;
            var classifier = new Classifier(model, manifest, version.Version, options, metrics, time, logger);
            var own = trial is null ? version.Share ?? 1 : share;
            var duration = time.GetElapsedTime(started);
            Log.ModelServing(logger, manifest.Name, version.Version, own, duration);
            if (trial is not null || version.Share is null)
                return new Served(classifier, trial, 1 - own, fingerprint);
            (trial, share) = (classifier, 1 - own);
        }
        // Without a valid version beside it, the one on trial serves every request.
        if (trial is not null)
            return new Served(trial, null, 0, fingerprint);
        Log.ModelExcluded(logger, manifest.Name);
        return null;
    }

    private bool Serves(Classifier classifier) =>
        _byName.TryGetValue(classifier.Manifest.Name, out var served)
        && (ReferenceEquals(served.Stable, classifier) || ReferenceEquals(served.Trial, classifier));

    private void ReportNoDefault(string reason)
    {
        if (_default is null)
            _state = "no default model is available; see the service log";
        Log.NoDefault(logger, modality, _repository.Root, reason);
    }

    /// <summary>A model: its stable version, and optionally one on trial that serves a share of the requests.</summary>
    private sealed record Served(Classifier Stable, Classifier? Trial, double Share, string Fingerprint) : IAsyncDisposable
    {
        public Classifier Pick() => Trial is not null && Random.Shared.NextDouble() < Share ? Trial : Stable;

        public async ValueTask DisposeAsync()
        {
            await Stable.DisposeAsync();
            if (Trial is not null)
                await Trial.DisposeAsync();
        }
    }
}
