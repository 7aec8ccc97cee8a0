using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>
/// Invalid input gets the same answer over gRPC and REST from the real services. The fixture fails if a service logs an error.
/// </summary>
public sealed class BadInputTests(AffectFixture fixture)
{
    private static readonly byte[] Picture = TestMedia.Png(64, 64);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Invalid clips, and the fields that the error names.</summary>
    private static readonly Dictionary<string, (Func<Clip> Clip, string[] Fields)> Refused = new()
    {
        ["nothing at all"] = (() => new Clip(), ["clip"]),
        ["an empty picture"] = (() => Images(Array.Empty<byte>()), ["clip.images[0]"]),
        ["text named .wav"] = (() => Audio("This is not audio."u8.ToArray()), ["clip.audio"]),
        ["a WAV cut off in its header"] = (() => Audio(TestMedia.Speech()[..30]), ["clip.audio"]),
        ["a WAV cut off after its header"] = (() => Audio(TestMedia.Speech()[..44]), ["clip.audio"]),
        ["a sample rate of 0"] = (() => Audio(WavFile.Mono(TestMedia.Sine(440, 1), sampleRate: 0)), ["clip.audio"]),
        ["a NaN"] = (() => Audio(Floats(float.NaN)), ["clip.audio"]),
        ["an infinite float"] = (() => Audio(Floats(float.NegativeInfinity)), ["clip.audio"]),
        ["30 minutes"] = (
            () => Audio(WavFile.Mono(TestMedia.Silence(30 * 60, 8000), 8000, WavEncoding.MuLaw)), ["clip.audio"]),
        ["a picture of 20,000 x 20,000"] = (() => Images(TestMedia.PngBomb()), ["clip.images[0]"]),
        ["a picture of 1 x 1"] = (() => Images(TestMedia.Png(1, 1)), ["clip.images[0]"]),
        ["a sound sent as a picture"] = (() => Images(Picture, TestMedia.Speech()), ["clip.images[1]"]),
        ["a picture sent as a sound"] = (() => Audio(Picture), ["clip.audio"]),
        ["17 pictures"] = (() => Images([.. Enumerable.Repeat(Picture, 17)]), ["clip.images"]),
        ["an unknown speech model"] = (
            () => new Clip { Audio = ByteString.CopyFrom(TestMedia.Speech()), SpeechModel = "nonsuch" }, ["clip.speech_model"]),
        ["an unknown face model"] = (
            () => new Clip { Images = { ByteString.CopyFrom(Picture) }, FaceModel = "nonsuch" }, ["clip.face_model"]),
        ["a hop of 11 s"] = (
            () => new Clip { Audio = ByteString.CopyFrom(TestMedia.Speech()), Hop = new Duration { Seconds = 11 } }, ["clip.hop"]),
        ["everything invalid"] = (
            () => new Clip
            {
                Audio = ByteString.CopyFromUtf8("no sound"),
                Images = { ByteString.CopyFrom(Picture), ByteString.CopyFromUtf8("no picture") },
                SpeechModel = "nonsuch",
                FaceModel = "nonsuch",
                Hop = new Duration(),
            },
            ["clip.audio", "clip.face_model", "clip.hop", "clip.images[1]", "clip.speech_model"]),
    };

    /// <summary>Valid clips without an emotion, and their outcome.</summary>
    private static readonly Dictionary<string, (Func<Clip> Clip, Outcome Outcome)> Typed = new()
    {
        ["10 ms"] = (() => Audio(WavFile.Mono(TestMedia.Sine(200, 0.01))), Outcome.TooShort),
        ["silence"] = (() => Audio(WavFile.Mono(TestMedia.Silence(4))), Outcome.NoSpeech),
        ["noise"] = (() => Audio(WavFile.Mono(TestMedia.Noise(4))), Outcome.NoSpeech),
        ["no face"] = (() => Images(Picture), Outcome.NoFace),
    };

    public static TheoryData<string> RefusedNames { get; } = [.. Refused.Keys];

    public static TheoryData<string> TypedNames { get; } = [.. Typed.Keys];

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public async Task Grpc_InvalidClip_ErrorNamesField(string what)
    {
        var (clip, fields) = Refused[what];

        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(clip()));

        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        AssertFields(fields, error);
    }

    [Theory]
    [MemberData(nameof(RefusedNames))]
    public async Task Rest_InvalidClip_ProblemNamesField(string what)
    {
        var (clip, fields) = Refused[what];

        using var response = await PostAsync(Json(clip()));

        await AssertProblemAsync(response, HttpStatusCode.BadRequest, [.. fields.Select(field => field == "clip" ? "body" : field["clip.".Length..])]);
    }

    [Theory]
    [MemberData(nameof(TypedNames))]
    public async Task Grpc_ClipWithoutEmotion_HasTypedOutcome(string what)
    {
        var (clip, outcome) = Typed[what];

        var analysis = await AnalyzeAsync(clip());

        Assert.Equal(outcome, analysis.Fused.Judgement.Outcome);
        Assert.Null(analysis.Fused.Judgement.Scores);
        Assert.Equal(Emotion.Unspecified, analysis.Fused.Judgement.Emotion);
    }

    [Theory]
    [MemberData(nameof(TypedNames))]
    public async Task Rest_ClipWithoutEmotion_HasTypedOutcome(string what)
    {
        var (clip, outcome) = Typed[what];

        using var response = await PostAsync(Multipart(clip()));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var analysis = JsonParser.Default.Parse<Analysis>(await response.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(outcome, analysis.Fused.Judgement.Outcome);
        Assert.Null(analysis.Fused.Judgement.Scores);
    }

    /// <summary>The existing part of a truncated file is used, whatever its header claims.</summary>
    [Fact]
    public async Task Analyze_TruncatedWav_UsesAvailableAudio()
    {
        var speech = TestMedia.Speech();

        var analysis = await AnalyzeAsync(Audio(speech[..(speech.Length * 3 / 4)]));

        Assert.Equal(4.2 * 3 / 4, analysis.Speech.Duration.ToTimeSpan().TotalSeconds, 0.02);
        Assert.NotNull(analysis.Fused.Judgement.Scores);
    }

    [Fact]
    public async Task Analyze_WavHeaderClaiming4GiB_UsesAvailableAudio()
    {
        var wav = new WavFile { Samples = TestMedia.Silence(2), ClaimedDataLength = uint.MaxValue - 100 }.ToBytes();

        var analysis = await AnalyzeAsync(Audio(wav));

        Assert.Equal(2, analysis.Speech.Duration.ToTimeSpan().TotalSeconds, 0.001);
        Assert.Equal(Outcome.NoSpeech, analysis.Speech.Judgement.Outcome);
    }

    [Fact]
    public async Task Multipart_EmptyFile_ProblemNamesPart()
    {
        using var body = new MultipartFormDataContent { { new ByteArrayContent([]), "audio", "a.wav" }, { new ByteArrayContent(Picture), "image", "a.png" } };
        using var audio = await PostAsync(body);
        await AssertProblemAsync(audio, HttpStatusCode.BadRequest, "audio");

        using var image = await PostAsync(new MultipartFormDataContent { { new ByteArrayContent([]), "image", "a.png" } });
        await AssertProblemAsync(image, HttpStatusCode.BadRequest, "image[0]");
    }

    [Fact]
    public async Task Multipart_InvalidSecondPicture_ProblemNamesPart()
    {
        using var response = await PostAsync(Multipart(Images(Picture, [1, 2, 3])));

        await AssertProblemAsync(response, HttpStatusCode.BadRequest, "image[1]");
    }

    [Fact]
    public async Task Analyze_FortyFaces_AllAreFound()
    {
        var photo = TestMedia.Photo("two_people.jpg");
        Assert.SkipWhen(photo is null, "AFFECT_PHOTOS names no folder of photographs");
        var largest = (await AnalyzeAsync(Images(photo))).Face.Images[0].Faces[0].Box;

        var analysis = await AnalyzeAsync(Images(Collage.Of(photo, largest, columns: 8, rows: 5)));

        var image = Assert.Single(analysis.Face.Images);
        Assert.Equal(40, image.Faces.Count);
        Assert.All(image.Faces, face => Assert.True(face.Judgement.Outcome is Outcome.Ok or Outcome.Uncertain));
    }

    [Fact]
    public async Task Json_UnknownField_ProblemNamesField()
    {
        using var response = await PostAsync(new StringContent(
            """{"audio": "AAAA", "shade": "red", "text": "so sad"}""", Encoding.UTF8, "application/json"));

        await AssertProblemAsync(response, HttpStatusCode.BadRequest, "shade", "text");
    }

    [Fact]
    public async Task Grpc_RequestAboveLimit_IsRejected()
    {
        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(Audio(new byte[(32 << 20) + 1])));

        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        AssertFields(["clip"], error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // without Content-Length the body is counted while it is read
    public async Task Rest_RequestAboveLimit_IsRejected(bool chunked)
    {
        using var content = Multipart(Audio(new byte[(32 << 20) + 1]));
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/analyze") { Content = content };
        request.Headers.TransferEncodingChunked = chunked;
        // The error arrives before the body is sent; without Expect: 100-continue the client might only see a closed connection.
        request.Headers.ExpectContinue = true;

        using var client = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        using var response = await client.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task Rest_RequestAtLimit_IsAccepted()
    {
        // 32 MiB including the envelope: only the audio itself may be reported as invalid.
        var error = await Assert.ThrowsAsync<RpcException>(() => AnalyzeAsync(Audio(new byte[(32 << 20) - 64])));

        AssertFields(["clip.audio"], error);
    }

    [Fact]
    public async Task Rest_UnsupportedMediaType_IsRejected()
    {
        using var content = new ByteArrayContent(TestMedia.Speech());
        content.Headers.ContentType = new("audio/wav");
        using var response = await PostAsync(content);

        await AssertProblemAsync(response, HttpStatusCode.UnsupportedMediaType);
    }

    private async Task<Analysis> AnalyzeAsync(Clip clip)
    {
        using var channel = fixture.Host.Gateway.CreateChannel();
        var response = await new EmotionService.EmotionServiceClient(channel)
            .AnalyzeAsync(new() { Clip = clip }, cancellationToken: Cancellation);
        return response.Analysis;
    }

    private async Task<HttpResponseMessage> PostAsync(HttpContent content)
    {
        using var client = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        return await client.PostAsync("v1/analyze", content, Cancellation);
    }

    private static void AssertFields(string[] fields, RpcException error) => Assert.Equal(
        fields,
        error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Select(violation => violation.Field).Order(StringComparer.Ordinal));

    private static async Task AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, params string[] fields)
    {
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonNode.Parse(text)!;
        Assert.Equal((int)status, (int)problem["status"]!);
        Assert.Equal(fields, (problem["errors"]?.AsObject() ?? []).Select(error => error.Key).Order(StringComparer.Ordinal));
    }

    private static StringContent Json(Clip clip) => new(JsonFormatter.Default.Format(clip), Encoding.UTF8, "application/json");

    private static MultipartFormDataContent Multipart(Clip clip)
    {
        var form = new MultipartFormDataContent();
        if (!clip.Audio.IsEmpty)
            form.Add(new ByteArrayContent(clip.Audio.ToByteArray()), "audio", "clip.wav");
        foreach (var image in clip.Images)
            form.Add(new ByteArrayContent(image.ToByteArray()), "image", "picture.png");
        return form;
    }

    private static Clip Audio(byte[] audio) => new() { Audio = UnsafeByteOperations.UnsafeWrap(audio) };

    private static Clip Images(params byte[][] images) => new() { Images = { images.Select(ByteString.CopyFrom) } };

    private static byte[] Floats(float odd)
    {
        var samples = TestMedia.Sine(200, 1);
        samples[1000] = odd;
        return WavFile.Mono(samples, encoding: WavEncoding.Ieee32);
    }
}
