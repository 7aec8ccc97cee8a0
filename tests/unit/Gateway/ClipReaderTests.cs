using System.Text;
using Affect.Gateway.Clips;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using HttpRequest = Microsoft.AspNetCore.Http.HttpRequest;

namespace Affect.UnitTests.Gateway;

public sealed class ClipReaderTests
{
    [Fact]
    public async Task ReadAsync_Multipart_ReturnsClip()
    {
        var clip = await ReadAsync(Multipart(
            ("audio", [1, 2]), ("image", [3]), ("image", [4, 5]), ("speech_model", "a"u8.ToArray()),
            ("face_model", "b"u8.ToArray()), ("hop", "0.25"u8.ToArray())));

        Assert.Equal(
            new Clip
            {
                Audio = ByteString.CopyFrom(1, 2),
                Images = { ByteString.CopyFrom(3), ByteString.CopyFrom(4, 5) },
                SpeechModel = "a",
                FaceModel = "b",
                Hop = new Duration { Nanos = 250_000_000 },
            },
            clip);
    }

    [Theory]
    [InlineData("1.5", 1, 500_000_000)]
    [InlineData("1.5s", 1, 500_000_000)]
    [InlineData(" 2 ", 2, 0)]
    public async Task ReadAsync_MultipartHop_ParsesSeconds(string text, long seconds, int nanos) =>
        Assert.Equal(
            new Duration { Seconds = seconds, Nanos = nanos },
            (await ReadAsync(Multipart(("hop", Encoding.ASCII.GetBytes(text))))).Hop);

    [Fact]
    public async Task ReadAsync_MultipartChannels_ParsesRoles()
    {
        Assert.Equal([SpeakerRole.Customer, SpeakerRole.Agent, SpeakerRole.Unknown],
            (await ReadAsync(Multipart(("channels", "customer, Agent,unknown"u8.ToArray())))).Channels.Select(channel => channel.Role));
        foreach (var text in (string[])["", "customer,", "boss", "1"])
            Assert.Equal(["channels"], await WrongFieldsAsync(Multipart(("channels", Encoding.ASCII.GetBytes(text)))));
    }

    [Fact]
    public async Task ReadAsync_InvalidParts_NamesEach() => Assert.Equal(
        ["audio", "audio", "color", "hop", "text", "video"],
        await WrongFieldsAsync(Multipart(
            ("audio", []), ("audio", [1]), ("video", [1]), ("text", [1]), ("color", [1]), ("hop", "soon"u8.ToArray()))));

    [Theory]
    [InlineData("")]
    [InlineData("not multipart")]
    [InlineData("--b\r\nContent-Disposition: form-data; name=\"audio\"\r\n\r\nabc")]
    public async Task ReadAsync_IncompleteMultipart_IsRejected(string body) =>
        Assert.Equal(["body"], await WrongFieldsAsync(Request("multipart/form-data; boundary=b", Encoding.ASCII.GetBytes(body))));

    [Fact]
    public async Task ReadAsync_MultipartWithoutBoundary_IsRejected() =>
        Assert.Equal(["body"], await WrongFieldsAsync(Request("multipart/form-data", [1])));

    /// <summary>The formatter of Google.Protobuf writes names in either spelling.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReadAsync_FormattedClip_RoundTrips(bool protoNames)
    {
        var clip = new Clip
        {
            Audio = ByteString.CopyFrom(1, 2, 255),
            Images = { ByteString.CopyFrom(3), ByteString.CopyFrom(4, 5) },
            SpeechModel = "a",
            FaceModel = "b",
            Hop = new Duration { Seconds = 1, Nanos = 500_000_000 },
            Channels = { new AudioChannel { Role = SpeakerRole.Customer }, new AudioChannel() },
        };
        Assert.All(Clip.Descriptor.Fields.InFieldNumberOrder(), field =>
            Assert.NotEqual(field.Accessor.GetValue(new Clip()), field.Accessor.GetValue(clip)));
        var json = new JsonFormatter(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(protoNames)).Format(clip);

        Assert.Equal(clip, await ReadAsync(Json(json)));
    }

    [Theory]
    [InlineData("""{"audio": "_-8="}""")]
    [InlineData("""{"audio": "_-8"}""")]
    [InlineData("""{"audio": "/+8="}""")]
    public async Task ReadAsync_EitherBase64Alphabet_IsDecoded(string json) =>
        Assert.Equal(ByteString.CopyFrom(0xFF, 0xEF), (await ReadAsync(Json(json))).Audio);

    [Fact]
    public async Task ReadAsync_NullField_IsAbsent() => Assert.Equal(new Clip(), await ReadAsync(Json("""{"audio": null, "hop": null}""")));

    [Theory]
    [InlineData("""{"audioo": "AA==", "color": 1}""", "audioo", "color")]
    [InlineData("""{"text": "so sad"}""", "text")]
    [InlineData("""{"audio": 5, "images": "AA==", "hop": 1, "face_model": {}}""", "audio", "face_model", "hop", "images")]
    [InlineData("""{"audio": "not base64!"}""", "audio")]
    [InlineData("""{"audio": ""}""", "audio")]
    [InlineData("""{"images": ["AA==", 7]}""", "images[1]")]
    [InlineData("""{"hop": "1.5"}""", "hop")]
    [InlineData("""{"speech_model": "a", "speechModel": "b"}""", "speech_model")]
    [InlineData("""[]""", "body")]
    [InlineData("""{"audio": "AA""", "body")]
    [InlineData("", "body")]
    public async Task ReadAsync_InvalidJsonFields_NamesEach(string json, params string[] fields) =>
        Assert.Equal(fields, await WrongFieldsAsync(Json(json)));

    public static TheoryData<string, string> LargeJson { get; } = new()
    {
        { "unknown fields", Repeat("{", "'a':1,", "'b':1}") },
        { "repeated fields", Repeat("{", "'hop':'1s',", "'hop':'1s'}") },
        { "empty pictures", Repeat("{'images':[", "null,", "null]}") },
        { "pictures", Repeat("{'images':[", "'AA==',", "'AA==']}") },
        { "a deep array", Repeat("{'audio':", "[", "") },
        { "a wide array", Repeat("{'speech_model':[", "[],", "[]]}") },
        { "a long name", Repeat("{'", "n", "':1}") },
        { "a long value", Repeat("{'hop':'", "1", "'}") },
        { "a long model", Repeat("{'face_model':'", @"\ud83d\ude00", "'}") },
        { "half a surrogate pair", @"{""face_model"":""\ud83d""}" },
    };

    /// <summary>Memory is linear in the text: a few bytes per byte.</summary>
    [Theory]
    [MemberData(nameof(LargeJson))]
    public async Task ReadAsync_LargeJson_IsRejectedInLinearMemory(string what, string json)
    {
        _ = what;
        var request = Json(json);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var error = await Assert.ThrowsAsync<RpcException>(() => ReadAsync(request));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 * json.Length + (1 << 20));
        Assert.InRange(error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Count, 1, 20);
        Assert.InRange(error.GetRpcStatus()!.CalculateSize(), 1, 4096);
    }

    [Fact]
    public async Task ReadAsync_ManyParts_StopsAtTwentyViolations() =>
        Assert.InRange((await WrongFieldsAsync(Multipart([.. Enumerable.Range(0, 2000).Select(i => ($"part{i}", Array.Empty<byte>()))]))).Count(), 2, 20);

    [Theory]
    [InlineData("application/json; charset=utf-8", true)]
    [InlineData("multipart/form-data; boundary=x", true)]
    [InlineData("audio/wav", false)]
    [InlineData("application/x-www-form-urlencoded", false)]
    [InlineData(null, false)]
    public void CanRead_MediaType_AcceptsJsonAndMultipart(string? type, bool expected) =>
        Assert.Equal(expected, ClipReader.CanRead(Request(type, [])));

    [Fact]
    public void ToRequestField_ProtoField_ReturnsNameInRequest()
    {
        Assert.Equal("image[2]", ClipReader.ToRequestField(Multipart(), "clip.images[2]"));
        Assert.Equal("images[2]", ClipReader.ToRequestField(Json("{}"), "clip.images[2]"));
        Assert.Equal("speech_model", ClipReader.ToRequestField(Json("{}"), "clip.speech_model"));
    }

    private static Task<Clip> ReadAsync(HttpRequest request) => ClipReader.ReadAsync(request, TestContext.Current.CancellationToken);

    private static async Task<IEnumerable<string>> WrongFieldsAsync(HttpRequest request)
    {
        var exception = await Assert.ThrowsAsync<RpcException>(() => ReadAsync(request));
        return exception.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations
            .Select(violation => ClipReader.ToRequestField(request, violation.Field)).Order(StringComparer.Ordinal);
    }

    /// <summary>A text of 4 MB, with quotes for apostrophes.</summary>
    private static string Repeat(string start, string middle, string end) =>
        string.Concat(start, string.Concat(Enumerable.Repeat(middle, 4_000_000 / middle.Length)), end).Replace('\'', '"');

    private static HttpRequest Json(string json) => Request("application/json", Encoding.UTF8.GetBytes(json));

    private static HttpRequest Multipart(params (string Name, byte[] Content)[] parts)
    {
        var form = new MultipartFormDataContent("b");
        foreach (var (name, content) in parts)
            form.Add(new ByteArrayContent(content), name, name + ".bin");
        var body = new MemoryStream();
        form.CopyTo(body, null, CancellationToken.None);
        return Request("multipart/form-data; boundary=\"b\"", body.ToArray());
    }

    private static HttpRequest Request(string? contentType, byte[] body) => new Microsoft.AspNetCore.Http.DefaultHttpContext
    {
        Request = { Method = "POST", ContentType = contentType, Body = new MemoryStream(body), ContentLength = body.Length },
    }.Request;
}
