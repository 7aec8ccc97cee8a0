using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Affect.FunctionalTests;

/// <summary>Bytes that are not a gRPC message of the method, sent to every service over HTTP/2 without a gRPC client.</summary>
public sealed class MalformedMessageTests(AffectFixture fixture)
{
    private static readonly Dictionary<string, byte[]> Bodies = new()
    {
        ["an unfinished varint"] = Frame([0x0A, 0xFF]),
        ["a tag of field 0"] = Frame([0x00, 0x01]),
        ["an unknown wire type"] = Frame([0x0F]),
        ["a length beyond the message"] = Frame([0x0A, 0x7F, 0x01]),
        ["a negative length"] = Frame([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ["a group that does not end"] = Frame([0x7B]),
        ["the end of a group that did not begin"] = Frame([0x7C]),
        ["groups 200 deep"] = Frame([.. Enumerable.Repeat((byte)0x7B, 200), .. Enumerable.Repeat((byte)0x7C, 200)]),
        ["random bytes"] = Frame([0xDE, 0xAD, 0xBE, 0xEF, 0x00, 0x01]),
        ["a flag of 2"] = [2, 0, 0, 0, 0],
        ["compressed without an encoding"] = [1, 0, 0, 0, 1, 0],
        ["a frame cut off in its prefix"] = [0, 0, 0],
        ["a frame cut off in its message"] = [0, 0, 0, 0, 9, 1],
        ["a length of 3 GiB"] = [0, 0xC0, 0, 0, 0, 1],
        ["a length of 64 MiB"] = [0, 4, 0, 0, 0, 1],
    };

    public static TheoryData<string, string> Cases { get; } = new MatrixTheoryData<string, string>(
        [
            "Gateway/affect.v1.EmotionService/ListModels",
            "Gateway/affect.v1.EmotionService/AnalyzeStream",
            "Fusion/affect.fusion.v1.FusionService/Analyze",
            "Fusion/affect.fusion.v1.FusionService/AnalyzeStream",
            "Features/affect.features.v1.FeaturesService/ExtractSpeech",
            "Features/affect.features.v1.FeaturesService/ExtractCall",
            "Speech/affect.classifier.v1.ClassifierService/Classify",
            "Face/grpc.health.v1.Health/Check",
        ],
        Bodies.Keys);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Request_MalformedMessage_IsInvalidArgument(string method, string body)
    {
        var (status, details) = await SendAsync(method, Bodies[body]);

        Assert.Equal(StatusCode.InvalidArgument, status);
        // The gateway checks the size of a unary request itself.
        var field = method == "Gateway/affect.v1.EmotionService/ListModels" && body.StartsWith("a length of", StringComparison.Ordinal) ? "clip" : "message";
        Assert.Equal(field, Assert.Single(details!.GetDetail<BadRequest>()!.FieldViolations).Field);
    }

    [Fact]
    public async Task Request_InvalidGzip_IsInvalidArgument()
    {
        var (status, _) = await SendAsync("Gateway/affect.v1.EmotionService/ListModels", [1, 0, 0, 0, 3, 1, 2, 3], encoding: "gzip");
        Assert.Equal(StatusCode.InvalidArgument, status);
    }

    [Fact]
    public async Task Request_UnknownEncoding_IsUnimplemented()
    {
        // As https://github.com/grpc/grpc/blob/master/doc/compression.md demands.
        var (status, _) = await SendAsync("Gateway/affect.v1.EmotionService/ListModels", [1, 0, 0, 0, 1, 1], encoding: "snappy");
        Assert.Equal(StatusCode.Unimplemented, status);
    }

    [Theory]
    [InlineData("Gateway/affect.v1.EmotionService/ListModels")]
    [InlineData("Gateway/affect.v1.EmotionService/AnalyzeStream")]
    public async Task Request_GzipBomb_IsInvalidArgument(string method)
    {
        var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal, leaveOpen: true))
            for (var i = 0; i < 256; i++)
                gzip.Write(new byte[1 << 20]);
        var before = GC.GetTotalAllocatedBytes();

        var (status, _) = await SendAsync(method, Frame(compressed.ToArray(), flag: 1), encoding: "gzip");

        Assert.Equal(StatusCode.InvalidArgument, status);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 128 << 20);
    }

    [Fact]
    public async Task Stream_MalformedSecondMessage_IsInvalidArgument()
    {
        var config = new AnalyzeStreamRequest
        {
            Config = new() { Audio = new() { Encoding = AudioEncoding.L16, SampleRate = 8000, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } } },
        };
        var (status, details) = await SendAsync(
            "Gateway/affect.v1.EmotionService/AnalyzeStream", [.. Frame(config.ToByteArray()), .. Frame([0x0A, 0xFF])]);

        Assert.Equal(StatusCode.InvalidArgument, status);
        Assert.Equal("message", Assert.Single(details!.GetDetail<BadRequest>()!.FieldViolations).Field);
    }

    [Fact]
    public async Task Request_InvalidUtf8_IsRejected()
    {
        // GetModelRequest.name and StreamConfig.speech_model.
        var (status, _) = await SendAsync("Gateway/affect.v1.EmotionService/GetModel", Frame([0x0A, 2, 0xC3, 0x28]));
        Assert.True(status is StatusCode.InvalidArgument or StatusCode.NotFound, $"{status}");
        (status, _) = await SendAsync("Gateway/affect.v1.EmotionService/AnalyzeStream", Frame([0x0A, 4, 0x0A, 2, 0xC3, 0x28]));
        Assert.Equal(StatusCode.InvalidArgument, status);
    }

    [Fact]
    public async Task Request_MalformedMessage_IsCountedAndNotLogged()
    {
        using var counter = new MetricCollector<long>(
            fixture.Host.Gateway.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), "Affect.Hosting", "affect.requests.malformed");
        var logged = fixture.Host.Logs.Count;

        await SendAsync("Gateway/affect.v1.EmotionService/ListModels", [2, 0, 0, 0, 0]);
        await SendAsync("Gateway/affect.v1.EmotionService/AnalyzeStream", Frame([0x0A, 0xFF]));
        await SendAsync("Gateway/affect.v1.EmotionService/ListModels", Frame([]));

        Assert.Equal(2, counter.GetMeasurementSnapshot().Sum(measurement => measurement.Value));
        Assert.DoesNotContain(fixture.Host.Logs.GetSnapshot().Skip(logged), record => record.Level >= LogLevel.Warning);
    }

    private static byte[] Frame(byte[] message, byte flag = 0)
    {
        var frame = new byte[5 + message.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        return frame;
    }

    private async Task<(StatusCode Status, Google.Rpc.Status? Details)> SendAsync(string method, byte[] body, string? encoding = null)
    {
        var (service, path) = (method[..method.IndexOf('/')], method[method.IndexOf('/')..]);
        var host = fixture.Host;
        var address = (service switch
        {
            "Gateway" => host.Gateway,
            "Fusion" => host.Fusion,
            "Features" => host.Features,
            "Speech" => host.Speech,
            _ => host.Face,
        }).GrpcAddress;
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, address + path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/grpc") } },
        };
        request.Headers.TE.Add(new("trailers"));
        if (encoding is not null)
            request.Headers.Add("grpc-encoding", encoding);
        using var response = await client.SendAsync(request, Cancellation);
        await response.Content.ReadAsByteArrayAsync(Cancellation);
        var status = (StatusCode)int.Parse(Read("grpc-status")!, System.Globalization.CultureInfo.InvariantCulture);
        return (status, Read("grpc-status-details-bin") is { } details ? Google.Rpc.Status.Parser.ParseFrom(Convert.FromBase64String(Pad(details))) : null);

        string? Read(string name) =>
            response.Headers.TryGetValues(name, out var values) || response.TrailingHeaders.TryGetValues(name, out values) ? values.Single() : null;

        static string Pad(string base64) => base64.PadRight((base64.Length + 3) / 4 * 4, '=');
    }
}
