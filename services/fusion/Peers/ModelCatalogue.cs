using Affect.Classifier.V1;
using Affect.Fusion.Clips;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Peers;

/// <summary>
/// The models that speech and face serve, asked for rarely: a list is used for
/// <see cref="FusionOptions.ModelsMaxAge"/>, and longer while its service does not answer.
/// </summary>
internal sealed class ModelCatalogue(
    [FromKeyedServices(Modality.Speech)] ClassifierService.ClassifierServiceClient speech,
    [FromKeyedServices(Modality.Face)] ClassifierService.ClassifierServiceClient face,
    FusionOptions options,
    TimeProvider time,
    ILogger<ModelCatalogue> logger)
    : IDisposable
{
    /// <summary>A name that is not in the list may be new: so old may a list be that says no.</summary>
    private static readonly TimeSpan MaxAgeOfNo = TimeSpan.FromSeconds(1);

    private readonly Entry _speech = new(calls => FetchAsync(speech, Modality.Speech, calls));
    private readonly Entry _face = new(calls => FetchAsync(face, Modality.Face, calls));

    /// <summary>The models of a modality.</summary>
    /// <exception cref="RpcException">No list was ever fetched, and the service does not answer.</exception>
    /// <exception cref="OperationCanceledException">The modality's time was up before.</exception>
    public Task<IReadOnlyList<Model>> ListAsync(Modality modality, PeerCalls calls) =>
        ListAsync(Of(modality), options.ModelsMaxAge, calls);

    /// <summary>The model of that name, or the default where the name is empty; null where there is none.</summary>
    /// <exception cref="RpcException">No list was ever fetched, and the service does not answer.</exception>
    /// <exception cref="OperationCanceledException">The modality's time was up before.</exception>
    public async Task<Model?> FindAsync(Modality modality, string name, PeerCalls calls)
    {
        var entry = Of(modality);
        return Pick(await ListAsync(entry, options.ModelsMaxAge, calls))
            ?? Pick(await ListAsync(entry, MaxAgeOfNo, calls));

        Model? Pick(IReadOnlyList<Model> models) =>
            models.FirstOrDefault(model => name.Length == 0 ? model.IsDefault : model.Reference.Name == name);
    }

    /// <summary>
    /// Analyses a clip with the model that it names, and once more where a newer version turns out to take another input than the list says. A name that
    /// is not known is refused, and the default takes its place: it has the media checked all the same, so that the caller learns of everything at once.
    /// </summary>
    /// <param name="modality">What the model listens to or looks at.</param>
    /// <param name="name">The name; empty is the default.</param>
    /// <param name="field">The field of the request with the name.</param>
    /// <param name="refusal">Takes the name that is not known.</param>
    /// <param name="calls">How the services are asked.</param>
    /// <param name="analyse">Begins anew each time; never called where there is no model at all.</param>
    /// <exception cref="RpcException">No list was ever fetched, and the service does not answer; or what <paramref name="analyse"/> throws.</exception>
    public async Task UseAsync(Modality modality, string name, string field, Refusal refusal, PeerCalls calls, Func<Model, Task> analyse)
    {
        var kind = modality.ToString().ToLowerInvariant();
        for (var again = false; ; again = true)
        {
            var model = await FindAsync(modality, name, calls);
            if (model is null)
            {
                refusal.Add(field, $"No {kind} model is called '{name}'; ListModels names those there are.");
                model = await FindAsync(modality, "", calls);
            }
            if (model is null)
                return;
            try
            {
                await analyse(model);
                return;
            }
            catch (RpcException exception) when (!again && exception.IsMisfit())
            {
                Log.ModelChanged(logger, kind, model.Reference.Name);
                Forget(modality);
            }
        }
    }

    /// <summary>Has the next question ask the service: a model turned out to be another than the list says.</summary>
    public void Forget(Modality modality) => Of(modality).Expire();

    /// <summary>One process may serve both modalities.</summary>
    private static async Task<IReadOnlyList<Model>> FetchAsync(
        ClassifierService.ClassifierServiceClient client, Modality modality, PeerCalls calls) =>
        [.. (await calls.CallAsync(call => client.ListModelsAsync(new(), call))).Models.Where(model => model.Modality == modality)];

    private Entry Of(Modality modality) => modality == Modality.Speech ? _speech : _face;

    private Task<IReadOnlyList<Model>> ListAsync(Entry entry, TimeSpan maxAge, PeerCalls calls) =>
        entry.GetAsync(maxAge, calls, time);

    public void Dispose()
    {
        _speech.Dispose();
        _face.Dispose();
    }

    private sealed class Entry(Func<PeerCalls, Task<IReadOnlyList<Model>>> fetch) : IDisposable
    {
        // One fetch at a time; who waited for it finds its result.
        private readonly SemaphoreSlim _fetching = new(1);
        private volatile Snapshot? _snapshot;

        public void Expire()
        {
            if (_snapshot is { } snapshot)
                _snapshot = snapshot with { Fetched = DateTimeOffset.MinValue };
        }

        public async Task<IReadOnlyList<Model>> GetAsync(TimeSpan maxAge, PeerCalls calls, TimeProvider time)
        {
            if (Fresh() is { } models)
                return models;
            await _fetching.WaitAsync(calls.Token);
            try
            {
                if (Fresh() is { } fetchedMeanwhile)
                    return fetchedMeanwhile;
                _snapshot = new(await fetch(calls), time.GetUtcNow());
            }
            catch (RpcException) when (_snapshot is not null && !calls.Token.IsCancellationRequested)
            {
                // An old list is better than none: the calls that follow tell whether it still holds.
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
