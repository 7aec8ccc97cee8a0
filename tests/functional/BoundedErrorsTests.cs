using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Affect.Client;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using AudioEncoding = Affect.V1.AudioEncoding;
using Clip = Affect.V1.Clip;
using SpeakerRole = Affect.V1.SpeakerRole;

namespace Affect.FunctionalTests;

/// <summary>Oversized names and lists of one key, while another key's calls run over the same connection from the gateway to fusion.</summary>
public sealed class BoundedErrorsTests
{
    private const int CallSeconds = 8;

    private static readonly string[] LongNames = [new('a', 20_000), new('\u4E2D', 8_000), string.Concat(Enumerable.Repeat("\U0001F600", 300))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_OversizedStringsAndLists_DisturbNoOtherKey()
    {
        await using var affect = await AffectProcesses.StartAsync(
            Cancellation, ("Gateway__ApiKeys__good__Sha256", Sha256("good")), ("Gateway__ApiKeys__bad__Sha256", Sha256("bad")),
            ("Gateway__ApiKeys__bad__RequestsPerMinute", "100000"));
        using var good = new AffectClient(new AffectClientOptions { Address = affect.Gateway.Address, ApiKey = "good" });
        var calls = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => StartAsync(good)));

        for (var i = 0; i < 3; i++)
        {
            using var gateway = GrpcChannel.ForAddress(affect.Gateway.Address);
            // Fusion's own statuses are bounded too.
            using var fusion = GrpcChannel.ForAddress(affect.Fusion.Address);
            foreach (var (config, field) in Configurations())
            {
                Assert.Equal(field, await StreamAsync(gateway, config));
                Assert.Equal(field, await StreamFusionAsync(fusion, config));
                Assert.Equal(field, await WebSocketAsync(affect.Gateway.HttpAddress, config));
            }
            foreach (var name in LongNames)
            {
                var clip = new Clip { Audio = ByteString.CopyFrom(1), SpeechModel = name };
                Assert.Contains("clip.speech_model", await AnalyzeAsync(gateway, clip));
                Assert.Contains("speech_model", await RestAsync(affect.Gateway.HttpAddress, new { audio = "AQ==", speech_model = name }));
                Assert.Contains("name", await GetModelAsync(gateway, name));
            }
        }

        foreach (var call in calls)
        {
            var results = await call;
            Assert.Equal(Client.CallEnd.Completed, Assert.IsType<Client.CallSummary>(results[^1]).End);
            Assert.Equal(
                Enumerable.Range(0, CallSeconds - 2).Select(index => (long)index),
                results.OfType<CallWindow>().Select(window => window.Index));
        }
    }

    private static IEnumerable<(StreamConfig Config, string Field)> Configurations()
    {
        foreach (var name in LongNames)
        {
            yield return (Config(config => config.SpeechModel = name), "config.speech_model");
            yield return (Config(config => (config.Video, config.FaceModel) = (new() { Role = SpeakerRole.Customer }, name)), "config.face_model");
            yield return (Config(config => config.SessionId = name), "config.session_id");
        }
        yield return (Config(config => config.Audio.Channels.Add(Enumerable.Repeat(new AudioChannel { Role = SpeakerRole.Customer }, 3000))), "config.audio.channels");

        static StreamConfig Config(Action<StreamConfig> change)
        {
            var config = new StreamConfig
            {
                Audio = new() { Encoding = AudioEncoding.Mulaw, SampleRate = 8000, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } },
            };
            change(config);
            return config;
        }
    }

    /// <summary>Starts a call in real time that is not resumed; the inner task returns its results.</summary>
    private static async Task<Task<List<CallResult>>> StartAsync(AffectClient client)
    {
        var call = client.StartCall(new StreamOptions
        {
            Audio = new(Client.AudioEncoding.MuLaw, 8000, [Client.SpeakerRole.Customer]),
            ResumeTimeout = TimeSpan.Zero,
        });
        await call.WriteAudioAsync(new byte[800], Cancellation);
        return RunAsync();

        async Task<List<CallResult>> RunAsync()
        {
            await using (call)
            {
                var results = call.Results.ToListAsync(Cancellation).AsTask();
                using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
                for (var i = 1; i < CallSeconds * 10; i++)
                {
                    await timer.WaitForNextTickAsync(Cancellation);
                    await call.WriteAudioAsync(new byte[800], Cancellation);
                }
                await call.CompleteAsync();
                return await results;
            }
        }
    }

    private static async Task<string> StreamAsync(GrpcChannel channel, StreamConfig config)
    {
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(Key(), cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = config }, Cancellation);
        return Field(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation)));
    }

    private static async Task<string> StreamFusionAsync(GrpcChannel channel, StreamConfig config)
    {
        using var call = new Fusion.V1.FusionService.FusionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Call = new() { Config = config } }, Cancellation);
        return Field(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation)));
    }

    private static async Task<string> AnalyzeAsync(GrpcChannel channel, Clip clip) => Field(await Assert.ThrowsAsync<RpcException>(
        async () => await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(new() { Clip = clip }, Key(), cancellationToken: Cancellation)));

    private static async Task<string> GetModelAsync(GrpcChannel channel, string name) => Field(await Assert.ThrowsAsync<RpcException>(
        async () => await new EmotionService.EmotionServiceClient(channel).GetModelAsync(new() { Name = name }, Key(), cancellationToken: Cancellation)));

    private static async Task<string> WebSocketAsync(Uri address, StreamConfig config)
    {
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("x-api-key", "bad");
        await socket.ConnectAsync(new UriBuilder(address) { Scheme = "ws", Path = "/v1/stream" }.Uri, Cancellation);
        await socket.SendAsync(
            Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(config)), WebSocketMessageType.Text, endOfMessage: true, Cancellation);
        var buffer = new byte[16 * 1024];
        var result = await socket.ReceiveAsync(buffer, Cancellation);
        Assert.True(result.EndOfMessage);
        var problem = JsonNode.Parse(buffer.AsSpan(0, result.Count))!;
        Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(buffer, Cancellation)).MessageType);
        Assert.Equal(WebSocketCloseStatus.PolicyViolation, socket.CloseStatus);
        return Assert.Single(problem["errors"]!.AsObject()).Key;
    }

    private static async Task<IEnumerable<string>> RestAsync(Uri address, object clip)
    {
        using var http = new HttpClient { BaseAddress = address };
        http.DefaultRequestHeaders.Add("x-api-key", "bad");
        using var response = await http.PostAsJsonAsync("v1/analyze", clip, Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var problem = await response.Content.ReadFromJsonAsync<JsonNode>(JsonSerializerOptions.Web, Cancellation);
        return problem!["errors"]!.AsObject().Select(error => error.Key);
    }

    private static Metadata Key() => new() { { "x-api-key", "bad" } };

    private static string Field(RpcException error)
    {
        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        return Assert.Single(error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field;
    }

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
