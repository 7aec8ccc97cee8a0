using Affect.Classifier.V1;
using Affect.Fusion;
using Affect.Fusion.Clips;
using Affect.Fusion.Peers;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Fusion;

public sealed class ModelCatalogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly FusionOptions _options = new() { ModelsMaxAge = TimeSpan.FromSeconds(10), RetriesPerRequest = 0 };
    private readonly SpeechPeer _speech = new();

    [Fact]
    public async Task FindAsync_ExpiredList_FetchesItAgain()
    {
        using var models = Catalog();

        await FindAsync(models, "");
        _time.Advance(TimeSpan.FromSeconds(9));
        await FindAsync(models, "");
        Assert.Equal(1, _speech.Requests);

        _time.Advance(TimeSpan.FromSeconds(2));
        await FindAsync(models, "");
        Assert.Equal(2, _speech.Requests);
    }

    [Fact]
    public async Task FindAsync_EmptyName_IsTheDefault()
    {
        using var models = Catalog();

        Assert.Equal("second", (await FindAsync(models, ""))?.Reference.Name);
        Assert.Equal("first", (await FindAsync(models, "first"))?.Reference.Name);
    }

    [Fact]
    public async Task FindAsync_UnknownName_FetchesTheListOnce()
    {
        using var models = Catalog();
        await FindAsync(models, "");
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Null(await FindAsync(models, "third"));
        Assert.Null(await FindAsync(models, "third"));

        Assert.Equal(2, _speech.Requests);
    }

    [Fact]
    public async Task FindAsync_ServiceDown_UsesTheExpiredList()
    {
        using var models = Catalog();
        await FindAsync(models, "");
        _speech.Down = true;
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal("second", (await FindAsync(models, ""))?.Reference.Name);
    }

    [Fact]
    public async Task FindAsync_ServiceDownWithoutAList_Throws()
    {
        using var models = Catalog();
        _speech.Down = true;

        await Assert.ThrowsAsync<RpcException>(() => FindAsync(models, ""));
    }

    [Fact]
    public async Task Expire_CachedList_FetchesItAgain()
    {
        using var models = Catalog();
        await FindAsync(models, "");

        models.Expire(Modality.Speech);
        await FindAsync(models, "");

        Assert.Equal(2, _speech.Requests);
    }

    [Theory]
    [InlineData(1, 2)] // the new list has the newer version, which is tried once
    [InlineData(2, 2)] // a second mismatch is reported to the caller
    public async Task UseAsync_ModelMismatch_RepeatsOnceWithANewList(int mismatches, int attempts)
    {
        using var models = Catalog();
        var used = new List<string>();
        var violations = new Violations();

        var use = UseAsync(models, "first", violations, model =>
        {
            used.Add(model.Reference.Name);
            return used.Count <= mismatches ? Task.FromException(RpcErrors.Status(StatusCode.InvalidArgument, "another input")) : Task.CompletedTask;
        });

        if (mismatches < attempts)
            await use;
        else
            await Assert.ThrowsAsync<RpcException>(() => use);
        Assert.Equal(Enumerable.Repeat("first", attempts), used);
        Assert.Equal(attempts, _speech.Requests);
        Assert.False(violations.Any);
    }

    [Fact]
    public async Task UseAsync_UnknownName_AddsAViolationAndUsesTheDefault()
    {
        using var models = Catalog();
        var used = new List<string>();
        var violations = new Violations();

        await UseAsync(models, "third", violations, model =>
        {
            used.Add(model.Reference.Name);
            return Task.CompletedTask;
        });

        Assert.Equal(["second"], used);
        Assert.Equal([("clip.speech_model", "must be the name of a speech model; 'third' is not served (see ListModels)")], violations.Ordered);
    }

    private async Task UseAsync(ModelCatalog models, string name, Violations violations, Func<Model, Task> analyze)
    {
        using var requests = new PeerRequests("", _options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);
        await models.UseAsync(Modality.Speech, name, "clip.speech_model", violations, requests, analyze);
    }

    private ModelCatalog Catalog() => new(_speech, new FacePeer(), _options, _time, NullLogger<ModelCatalog>.Instance);

    private async Task<Model?> FindAsync(ModelCatalog models, string name)
    {
        using var requests = new PeerRequests("", _options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);
        return await models.FindAsync(Modality.Speech, name, requests);
    }

    private sealed class SpeechPeer : ClassifierService.ClassifierServiceClient
    {
        public int Requests { get; private set; }

        public bool Down { get; set; }

        public override AsyncUnaryCall<Affect.Classifier.V1.ListModelsResponse> ListModelsAsync(
            Affect.Classifier.V1.ListModelsRequest request, CallOptions options)
        {
            Requests++;
            var response = new Affect.Classifier.V1.ListModelsResponse
            {
                Models =
                {
                    new Model { Modality = Modality.Speech, Reference = new() { Name = "first", Version = "1" } },
                    new Model { Modality = Modality.Speech, Reference = new() { Name = "second", Version = "1" }, IsDefault = true },
                },
            };
            return new(
                Down ? Task.FromException<Affect.Classifier.V1.ListModelsResponse>(RpcErrors.Status(StatusCode.Unavailable, "down")) : Task.FromResult(response),
                Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });
        }
    }

    private sealed class FacePeer : ClassifierService.ClassifierServiceClient;
}
