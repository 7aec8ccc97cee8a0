using System.Collections.Frozen;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Affect.Inference;

/// <summary>
/// The models of one modality. Loads them in the background once the process starts; healthy as soon as the default
/// has been warmed up. Watches the repository: what changes in it is taken up while everything serves on. Safe to
/// share: what serves is one immutable set, replaced as a whole.
/// </summary>
public sealed class Classifiers(
    Modality modality, InferenceOptions options, InferenceMetrics metrics, TimeProvider time, ILogger<Classifiers> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly FrozenDictionary<string, Served> None = FrozenDictionary<string, Served>.Empty;

    private readonly ModelRepository _repository = new(options.ModelsPath, modality, logger);
    private volatile FrozenDictionary<string, Served> _byName = None;
    private volatile Served? _default;
    private volatile string _state = "the models are being loaded";

    /// <summary>What serves now, by name; versions on trial are not told of.</summary>
    public IEnumerable<Classifier> All => _byName.Values.Select(served => served.Stable)
        .OrderBy(classifier => classifier.Manifest.Name, StringComparer.Ordinal);

    /// <summary>
    /// The model of that name, or the default where the name is empty; null where there is no such model. Where a version
    /// is on trial, it is the one in its share of the calls.
    /// </summary>
    /// <exception cref="NotServingException">No model serves (yet).</exception>
    public Classifier? Find(string name)
    {
        if (name.Length == 0)
            return _default?.Pick() ?? throw new NotServingException(_state);
        return _byName.TryGetValue(name, out var served) ? served.Pick()
            : _default is null ? throw new NotServingException(_state)
            : null;
    }

    /// <summary>Classifies one input by the model of that name, or by the default.</summary>
    /// <returns>Null where there is no such model.</returns>
    /// <exception cref="NotServingException">No model serves (yet, or any more).</exception>
    /// <inheritdoc cref="Classifier.ClassifyAsync" path="/param"/>
    /// <inheritdoc cref="Classifier.ClassifyAsync" path="/exception"/>
    public async Task<(Classifier Model, Classification Result)?> ClassifyAsync(
        string name, ReadOnlyMemory<byte> input, DateTime deadline, CancellationToken cancellationToken)
    {
        while (Find(name) is { } classifier)
        {
            try
            {
                return (classifier, await classifier.ClassifyAsync(input, deadline, cancellationToken));
            }
            catch (NotServingException) when (!Serves(classifier))
            {
                // It was replaced between being found and being asked.
            }
        }
        return null;
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

        // Volumes of other machines tell of no changes, so the folder is looked at.
        using var timer = new PeriodicTimer(options.WatchInterval, time);
        var last = taken;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (_repository.Fingerprints() is not { } now)
                continue;
            // Not while it still changes: a large file takes a while to copy.
            if (!Same(now, taken) && Same(now, last))
                await LoadAsync(taken = now, stoppingToken);
            last = now;
        }

        static bool Same(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
            a.Count == b.Count && a.All(folder => b.GetValueOrDefault(folder.Key) == folder.Value);
    }

    /// <summary>Loads what is new or has changed, and lets go of what it replaces.</summary>
    private async Task LoadAsync(IReadOnlyDictionary<string, string> fingerprints, CancellationToken stoppingToken)
    {
        var before = _byName;
        var manifests = _repository.ReadManifests();
        var defaults = manifests.Where(manifest => manifest.Default).Select(manifest => manifest.Name).ToList();
        if (defaults.Count != 1)
        {
            Refuse(defaults.Count == 0
                ? $"of {manifests.Count} right manifests none says that it is the default"
                : $"{string.Join(" and ", defaults)} all say that they are the default");
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
        // What has become bad serves on as it was; what was taken away is gone.
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
            Refuse($"{name}, the default, has no good version");

        foreach (var (model, served) in before)
            if (!ReferenceEquals(_byName.GetValueOrDefault(model), served) && !ReferenceEquals(_default, served))
                await served.DisposeAsync();
    }

    private Served? Load(ModelManifest manifest, string fingerprint)
    {
        Classifier? trial = null;
        var share = 1.0; // what is left for the version before
        foreach (var version in manifest.Versions.Reverse())
        {
            var started = time.GetTimestamp();
            if (_repository.TryLoad(manifest, version, options) is not { } model)
                continue;
            var classifier = new Classifier(model, manifest, version.Version, options, metrics, time, logger);
            var own = trial is null ? version.Share ?? 1 : share;
            var duration = time.GetElapsedTime(started);
            Log.ModelServes(logger, manifest.Name, version.Version, own, duration);
            if (trial is not null || version.Share is null)
                return new Served(classifier, trial, 1 - own, fingerprint);
            (trial, share) = (classifier, 1 - own);
        }
        // Without the version that it would stand beside, the one on trial answers everything.
        if (trial is not null)
            return new Served(trial, null, 0, fingerprint);
        Log.ModelLeftOut(logger, manifest.Name);
        return null;
    }

    private bool Serves(Classifier classifier) =>
        _byName.TryGetValue(classifier.Manifest.Name, out var served)
        && (ReferenceEquals(served.Stable, classifier) || ReferenceEquals(served.Trial, classifier));

    private void Refuse(string reason)
    {
        if (_default is null)
            _state = "there is no default model; the log has why";
        Log.NoDefault(logger, modality, _repository.Root, reason);
    }

    /// <summary>A model: the version that answers, and one on trial that does so in its share of the calls.</summary>
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
