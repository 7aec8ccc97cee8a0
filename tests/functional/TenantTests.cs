using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Speech;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.FunctionalTests;

/// <summary>Every service knows the tenant on whose behalf a request runs.</summary>
public sealed class TenantTests : IDisposable
{
    private const string Header = "affect-tenant-bin", Secret = "secret-of-the-key";

    private readonly ModelFolder _models = new();

    public TenantTests()
    {
        TinyModel.Write(_models.Path, TinyModel.Speech());
        TinyModel.Write(_models.Path, TinyModel.Face());
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _models.Dispose();

    [Theory]
    [InlineData(Secret, "key älice")]
    [InlineData(null, "address 127.0.0.1")]
    public async Task Requests_OfAClient_NameItsTenantInEveryService(string? secret, string tenant)
    {
        await using var host = await StartAsync("älice");
        var seen = await RecordAsync(host);
        using var channel = host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var headers = secret is null ? [] : new Metadata { { "x-api-key", secret } };

        await client.AnalyzeAsync(
            new() { Clip = new() { Audio = ByteString.CopyFrom(TestMedia.Speech()), Images = { ByteString.CopyFrom(TestMedia.Png(64, 64)) } } },
            headers, cancellationToken: Cancellation);
        await CallAsync(client, headers);

        string[] methods =
            ["Analyze", "AnalyzeStream", "Classify", "ExtractCall", "ExtractFaces", "ExtractSpeech", "ListModels"];
        Assert.Equal(methods, seen.Select(request => request.Method).Distinct().Order(StringComparer.Ordinal));
        Assert.All(seen, request => Assert.Equal(tenant, request.Tenant));
    }

    [Fact]
    public async Task Requests_OfAKeyWithALongName_NameAShortTenant()
    {
        await using var host = await StartAsync(new string('n', 60_000));
        var seen = await RecordAsync(host);
        using var channel = host.Gateway.CreateChannel();

        await CallAsync(new(channel), new Metadata { { "x-api-key", Secret } });

        Assert.All(seen, request => Assert.InRange(request.Tenant.Length, 64, 128));
    }

    private static async Task CallAsync(EmotionService.EmotionServiceClient client, Metadata headers)
    {
        using var call = client.AnalyzeStream(headers, cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(
            new() { Config = new() { Audio = new() { Encoding = AudioEncoding.L16, SampleRate = 8_000, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } } } },
            Cancellation);
        await call.RequestStream.WriteAsync(new() { Audio = new() { Data = ByteString.CopyFrom(new byte[2 * 8_000]) } }, Cancellation);
        await call.RequestStream.CompleteAsync();
        await foreach (var _ in call.ResponseStream.ReadAllAsync(Cancellation))
        {
        }
    }

    private Task<AffectHost> StartAsync(string keyName) => AffectHost.StartAsync(new Dictionary<string, string?>
    {
        ["Speech:ModelsPath"] = _models.Path,
        ["Face:ModelsPath"] = _models.Path,
        [$"Gateway:ApiKeys:{keyName}:Sha256"] = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(Secret))),
    });

    /// <summary>Replaces the internal services by the same ones with a recorder of their requests.</summary>
    private static async Task<ConcurrentQueue<SeenRequest>> RecordAsync(AffectHost host)
    {
        var seen = new ConcurrentQueue<SeenRequest>();
        await ReplaceAsync(host.Features, FeaturesHosting.AddFeatures, FeaturesHosting.MapFeatures);
        await ReplaceAsync(host.Speech, SpeechHosting.AddSpeech, SpeechHosting.MapSpeech);
        await ReplaceAsync(host.Face, FaceHosting.AddFace, FaceHosting.MapFace);
        await ReplaceAsync(host.Fusion, FusionHosting.AddFusion, FusionHosting.MapFusion);
        // The health checks of the start name no tenant.
        seen.Clear();
        return seen;

        Task ReplaceAsync(TestService service, Action<WebApplicationBuilder> add, Action<WebApplication> map) => service.ReplaceAsync(
            builder =>
            {
                add(builder);
                builder.Services.AddGrpc(grpc => grpc.Interceptors.Add<Recorder>(seen));
            },
            map);
    }

    private readonly record struct SeenRequest(string Method, string Tenant);

    private sealed class Recorder(ConcurrentQueue<SeenRequest> seen) : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            Record(context);
            return continuation(request, context);
        }

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Record(context);
            return continuation(request, responseStream, context);
        }

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Record(context);
            return continuation(requestStream, responseStream, context);
        }

        private void Record(ServerCallContext context)
        {
            var tenant = context.RequestHeaders.GetValueBytes(Header);
            seen.Enqueue(new(context.Method.Split('/')[^1], tenant is null ? "" : Encoding.UTF8.GetString(tenant)));
        }
    }
}
