using Affect.Classifier.V1;
using Affect.Fusion.Clips;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Peers;

/// <summary>
/// Caches the lists of models that speech and face serve: for <see cref="FusionOptions.ModelsMaxAge"/>, and longer while the
/// service does not answer. Thread-safe.
/// </summary>
internal sealed class ModelCatalog(
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    [FromKeyedServices(Modality.Face)] ClassifierService.ClassifierServiceClient face,
    FusionOptions options,
    TimeProvider time,
    ILogger<ModelCatalog> logger)
    : IDisposable
{
    /// <summary>Largest age of a list that lacks the requested name, because the model may be new.</summary>
    private static readonly TimeSpan MaxAgeOfMiss = TimeSpan.FromSeconds(1);

    private readonly Entry _speech = new(requests => FetchAsync(speech, Modality.Speech, requests));
    private readonly Entry _face = new(requests => FetchAsync(face, Modality.Face, requests));

    /// <summary>The models of a modality.</summary>
    /// <exception cref="RpcException">No list is cached, and the service does not answer.</exception>
    /// <exception cref="OperationCanceledException">The time of the modality has elapsed.</exception>
    public Task<IReadOnlyList<Model>> ListAsync(Modality modality, PeerRequests requests) =>
        ListAsync(GetEntry(modality), options.ModelsMaxAge, requests);

    /// <summary>The model of that name, or the default if the name is empty; null if it does not exist.</summary>
    /// <exception cref="RpcException">No list is cached, and the service does not answer.</exception>
    /// <exception cref="OperationCanceledException">The time of the modality has elapsed.</exception>
    public async Task<Model?> FindAsync(Modality modality, string name, PeerRequests requests)
    {
        var entry = GetEntry(modality);
        return Pick(await ListAsync(entry, options.ModelsMaxAge, requests))
            ?? Pick(await ListAsync(entry, MaxAgeOfMiss, requests));

        Model? Pick(IReadOnlyList<Model> models) =>
            models.FirstOrDefault(model => name.Length == 0 ? model.IsDefault : model.Reference.Name == name);
    }

    /// <summary>
    /// Analyzes a clip with the model that it names; repeats the analysis once if a newer version requires other input than the
    /// cached list says. An unknown name is a violation; the default model then checks the media, so that the caller gets all
    /// violations together.
    /// </summary>
    /// <param name="modality">Modality of the model.</param>
    /// <param name="name">Name of the model; empty for the default.</param>
    /// <param name="field">Field of the request that contains the name.</param>
    /// <param name="violations">Receives the violation.</param>
    /// <param name="requests">Budget of the requests.</param>
    /// <param name="analyze">Must discard its previous result; not called if no model exists.</param>
    /// <exception cref="RpcException">No list is cached, and the service does not answer; or <paramref name="analyze"/> failed.</exception>
    public async Task UseAsync(Modality modality, string name, string field, Violations violations, PeerRequests requests, Func<Model, Task> analyze)
    {
        var kind = modality.ToString().ToLowerInvariant();
        for (var repeated = false; ; repeated = true)
        {
            var model = await FindAsync(modality, name, requests);
            if (model is null)
            {
                violations.Add(field, $"must be the name of a {kind} model; '{name}' is not served (see ListModels)");
                model = await FindAsync(modality, "", requests);
            }
            if (model is null)
                return;
            try
            {
                await analyze(model);
                return;
            }
            catch (RpcException exception) when (!repeated && exception.IsModelMismatch())
            {
                Log.ModelChanged(logger, kind, model.Reference.Name);
                Expire(modality);
            }
        }
    }

    /// <summary>Expires the cached list, because a model differs from it.</summary>
    public void Expire(Modality modality) => GetEntry(modality).Expire();

    private static async Task<IReadOnlyList<Model>> FetchAsync(
        ClassifierService.ClassifierServiceClient client, Modality modality, PeerRequests requests) =>
        (await requests.SendAsync(options => client.ListModelsAsync(new() { Modality = modality }, options))).Models;

    private Entry GetEntry(Modality modality) => modality == Modality.Speech ? _speech : _face;

    private Task<IReadOnlyList<Model>> ListAsync(Entry entry, TimeSpan maxAge, PeerRequests requests) =>
        entry.GetAsync(maxAge, requests, time);

    public void Dispose()
    {
        _speech.Dispose();
        _face.Dispose();
    }

    private sealed class Entry(Func<PeerRequests, Task<IReadOnlyList<Model>>> fetch) : IDisposable
    {
        // One fetch at a time; waiting callers use its result.
        private readonly SemaphoreSlim _fetching = new(1);
        private volatile Snapshot? _snapshot;

        public void Expire()
        {
            if (_snapshot is { } snapshot)
                _snapshot = snapshot with { Fetched = DateTimeOffset.MinValue };
        }

        public async Task<IReadOnlyList<Model>> GetAsync(TimeSpan maxAge, PeerRequests requests, TimeProvider time)
        {
            if (Fresh() is { } models)
                return models;
            await _fetching.WaitAsync(requests.Token);
            try
            {
                if (Fresh() is { } fetchedMeanwhile)
                    return fetchedMeanwhile;
                _snapshot = new(await fetch(requests), time.GetUtcNow());
            }
            catch (RpcException) when (_snapshot is not null && !requests.Token.IsCancellationRequested)
            {
                // An expired list is still used: the requests that follow show if it is still valid.
            }
            finally
            {
                _fetching.Release();
            }
            return _snapshot.Models;

            IReadOnlyList<Model>? Fresh() =>
                _snapshot is { } snapshot && time.GetUtcNow() - snapshot.Fetched <= maxAge ? snapshot.Models : null;
        }

        public void Dispose() => _fetching.Dispose();
    }

    private sealed record Snapshot(IReadOnlyList<Model> Models, DateTimeOffset Fetched);
}
