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

public sealed class ModelCatalogueTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly FusionOptions _options = new() { ModelsMaxAge = TimeSpan.FromSeconds(10), RetriesPerCall = 0 };
    private readonly SpeechPeer _speech = new();

    [Fact]
    public async Task A_list_is_used_until_it_is_old()
    {
        using var models = Catalogue();

        await FindAsync(models, "");
        _time.Advance(TimeSpan.FromSeconds(9));
        await FindAsync(models, "");
        Assert.Equal(1, _speech.Asked);

        _time.Advance(TimeSpan.FromSeconds(2));
        await FindAsync(models, "");
        Assert.Equal(2, _speech.Asked);
    }

    [Fact]
    public async Task No_name_is_the_default_model()
    {
        using var models = Catalogue();

        Assert.Equal("second", (await FindAsync(models, ""))?.Reference.Name);
        Assert.Equal("first", (await FindAsync(models, "first"))?.Reference.Name);
    }

    [Fact]
    public async Task An_unknown_name_may_be_new_so_the_service_is_asked_but_not_each_time()
    {
        using var models = Catalogue();
        await FindAsync(models, "");
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Null(await FindAsync(models, "third"));
        Assert.Null(await FindAsync(models, "third"));

        Assert.Equal(2, _speech.Asked);
    }

    [Fact]
    public async Task An_old_list_is_better_than_none()
    {
        using var models = Catalogue();
        await FindAsync(models, "");
        _speech.Down = true;
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal("second", (await FindAsync(models, ""))?.Reference.Name);
    }

    [Fact]
    public async Task Without_any_list_the_outage_shows()
    {
        using var models = Catalogue();
        _speech.Down = true;

        await Assert.ThrowsAsync<RpcException>(() => FindAsync(models, ""));
    }

    [Fact]
    public async Task What_is_forgotten_is_asked_for_again()
    {
        using var models = Catalogue();
        await FindAsync(models, "");

        models.Forget(Modality.Speech);
        await FindAsync(models, "");

        Assert.Equal(2, _speech.Asked);
    }

    [Theory]
    [InlineData(1, 2)] // a newer version is found in a new list, and tried once
    [InlineData(2, 2)] // what does not fit then is the caller's to hear of
    public async Task A_model_that_turns_out_another_is_looked_up_again(int misfits, int tried)
    {
        using var models = Catalogue();
        var seen = new List<string>();
        var refusal = new Refusal();

        var use = UseAsync(models, "first", refusal, model =>
        {
            seen.Add(model.Reference.Name);
            return seen.Count <= misfits ? Task.FromException(RpcErrors.Status(StatusCode.InvalidArgument, "another input")) : Task.CompletedTask;
        });

        if (misfits < tried)
            await use;
        else
            await Assert.ThrowsAsync<RpcException>(() => use);
        Assert.Equal(Enumerable.Repeat("first", tried), seen);
        Assert.Equal(tried, _speech.Asked);
        Assert.False(refusal.Any);
    }

    [Fact]
    public async Task An_unknown_name_is_refused_and_the_default_looks_at_the_rest()
    {
        using var models = Catalogue();
        var seen = new List<string>();
        var refusal = new Refusal();

        await UseAsync(models, "third", refusal, model =>
        {
            seen.Add(model.Reference.Name);
            return Task.CompletedTask;
        });

        Assert.Equal(["second"], seen);
        Assert.Equal([("clip.speech_model", "No speech model is called 'third'; ListModels names those there are.")], refusal.Violations);
    }

    private async Task UseAsync(ModelCatalogue models, string name, Refusal refusal, Func<Model, Task> analyse)
    {
        using var calls = new PeerCalls(_options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);
        await models.UseAsync(Modality.Speech, name, "clip.speech_model", refusal, calls, analyse);
    }

    private ModelCatalogue Catalogue() => new(_speech, new FacePeer(), _options, _time, NullLogger<ModelCatalogue>.Instance);

    private async Task<Model?> FindAsync(ModelCatalogue models, string name)
    {
        using var calls = new PeerCalls(_options.ClipBudget, _time, DateTimeOffset.MaxValue, CancellationToken.None);
        return await models.FindAsync(Modality.Speech, name, calls);
    }

    private sealed class SpeechPeer : ClassifierService.ClassifierServiceClient
    {
        public int Asked { get; private set; }

        public bool Down { get; set; }

        public override AsyncUnaryCall<Affect.Classifier.V1.ListModelsResponse> ListModelsAsync(
            Affect.Classifier.V1.ListModelsRequest request, CallOptions options)
        {
            Asked++;
            var response = new Affect.Classifier.V1.ListModelsResponse
            {
                Models =
                {
                    new Model { Modality = Modality.Speech, Reference = new() { Name = "first", Version = "1" } },
                    new Model { Modality = Modality.Face, Reference = new() { Name = "face", Version = "1" }, IsDefault = true },
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
