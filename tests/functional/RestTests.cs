using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>REST gives the same answers as gRPC, and errors as problem details.</summary>
public sealed partial class RestTests(AffectFixture fixture) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = fixture.Host.Gateway.HttpAddress };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task Analyze_MultipartJsonAndGrpc_GiveSameAnswer()
    {
        var (audio, image) = (TestMedia.Speech(), TestMedia.Png(64, 64));
        using var channel = fixture.Host.Gateway.CreateChannel();
        var grpc = await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(
            new() { Clip = new Clip { Audio = ByteString.CopyFrom(audio), Images = { ByteString.CopyFrom(image) } } },
            cancellationToken: Cancellation);

        using var multipart = await _http.PostAsync("v1/analyze", new MultipartFormDataContent
        {
            { new ByteArrayContent(audio), "audio", "a.wav" },
            { new ByteArrayContent(image), "image", "i.png" },
            { new StringContent("1.0s"), "hop" },
            { new StringContent("mfcc-attention"), "speech_model" },
        }, Cancellation);
        using var json = await _http.PostAsJsonAsync("v1/analyze", new { audio, images = new[] { image }, hop = "1s" }, Cancellation);

        Assert.Equal("application/json", multipart.Content.Headers.ContentType?.MediaType);
        var a = JsonParser.Default.Parse<Analysis>(await multipart.Content.ReadAsStringAsync(Cancellation));
        var b = JsonParser.Default.Parse<Analysis>(await json.Content.ReadAsStringAsync(Cancellation));
        // Batches differ between requests, and with them the last bits of a sum.
        foreach (var rest in (Analysis[])[a, b])
        {
            Assert.Equal(grpc.Analysis.Fused.Judgement.Confidence, rest.Fused.Judgement.Confidence, 1e-4f);
            Assert.Equal(grpc.Analysis.Speech.Windows.Count, rest.Speech.Windows.Count);
            Assert.Equal(grpc.Analysis.Face, rest.Face);
            Assert.Equal(grpc.Analysis.Notice, rest.Notice);
        }
    }

    [Fact]
    public async Task Analyze_Json_IsSnakeCaseAndComplete()
    {
        using var response = await _http.PostAsJsonAsync("v1/analyze", new { images = new[] { TestMedia.Png(64, 64) } }, Cancellation);

        var analysis = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
        Assert.Equal("OUTCOME_NO_FACE", (string)analysis["fused"]!["judgement"]!["outcome"]!);
        Assert.Equal(0, (double)analysis["fused"]!["speech_weight"]!);
        Assert.Equal("EMOTION_UNSPECIFIED", (string)analysis["fused"]!["judgement"]!["emotion"]!);
        Assert.Null(analysis["speech"]);
    }

    [Fact]
    public async Task Models_Listed_AreFoundByName()
    {
        var all = JsonParser.Default.Parse<ListModelsResponse>(await _http.GetStringAsync("v1/models", Cancellation)).Models;
        var faces = JsonParser.Default.Parse<ListModelsResponse>(await _http.GetStringAsync("v1/models?modality=face", Cancellation)).Models;
        Assert.Equal(all.Where(model => model.Modality == Modality.Face), faces);

        var one = JsonParser.Default.Parse<Model>(await _http.GetStringAsync($"v1/models/{all[0].Reference.Name}", Cancellation));
        Assert.Equal(all[0], one);
    }

    [Theory]
    [InlineData(Modality.Speech, 4)] // clean, 8 kHz, µ-law, both
    [InlineData(Modality.Face, 2)] // all, and without those that are also in Training
    public async Task GetModel_ShippedModel_HasMetrics(Modality modality, int conditions)
    {
        var all = JsonParser.Default.Parse<ListModelsResponse>(await _http.GetStringAsync("v1/models", Cancellation)).Models;
        var name = all.Single(model => model.Modality == modality && model.IsDefault).Reference.Name;

        var model = JsonParser.Default.Parse<Model>(await _http.GetStringAsync($"v1/models/{name}", Cancellation));

        Assert.InRange(model.Cost.Parameters, 10_000, 50_000_000);
        Assert.InRange(model.Cost.FileBytes, model.Cost.Parameters, 5 * model.Cost.Parameters);
        Assert.InRange(model.Cost.Latency.ToTimeSpan().TotalMilliseconds, 0.1, 100);
        Assert.NotEmpty(model.Learning.Loss);
        Assert.Equal(model.Learning.Loss.Count, model.Learning.ValidationAccuracy.Count);
        var shipped = model.Metrics.TakeWhile(metrics => metrics.Split == model.Metrics[0].Split).ToList();
        Assert.Equal(conditions, shipped.Count);
        Assert.Equal(conditions, shipped.DistinctBy(metrics => metrics.Condition).Count());
        Assert.Equal("", shipped[0].Condition);
        Assert.All(shipped, metrics =>
        {
            Assert.Equal(7, metrics.Classes.Count);
            Assert.Equal(metrics.Samples, metrics.Classes.Sum(one => one.Support));
            Assert.Equal(metrics.UnweightedAverageRecall, metrics.Classes.Average(one => one.Recall), 1e-4);
            Assert.Equal(15, metrics.Reliability.Count);
            Assert.Equal(metrics.Samples, metrics.Reliability.Sum(bin => bin.Count));
            Assert.Equal(0.8, metrics.MostCertain.Coverage, 0.01);
            Assert.InRange(metrics.MostCertain.Accuracy, metrics.Accuracy, 1);
            Assert.InRange(metrics.AtThreshold.Coverage, 0.5, 1);
        });
    }

    [Theory]
    [InlineData("GET", "v1/models/nonsuch", HttpStatusCode.NotFound, "NOT_FOUND")]
    [InlineData("GET", "v1/models?modality=smell", HttpStatusCode.BadRequest, "INVALID_ARGUMENT")]
    [InlineData("GET", "v1/nothing", HttpStatusCode.NotFound, "NOT_FOUND")]
    [InlineData("GET", "v1/analyze", HttpStatusCode.MethodNotAllowed, "UNIMPLEMENTED")]
    public async Task Rest_Errors_AreProblemDetails(string method, string path, HttpStatusCode status, string code)
    {
        using var request = new HttpRequestMessage(new(method), path);
        using var response = await _http.SendAsync(request, Cancellation);

        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
        Assert.Equal((int)status, (int)problem["status"]!);
        Assert.Equal(code, (string)problem["code"]!);
    }

    [Fact]
    public async Task Docs_Page_LoadsNothingFromOtherHosts()
    {
        using var page = await _http.GetAsync("docs/", Cancellation);
        var html = await page.Content.ReadAsStringAsync(Cancellation);
        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        Assert.Contains("default-src 'self'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Contains("openapi.json", html, StringComparison.Ordinal);

        var assets = Links().Matches(html).Select(match => new Uri(page.RequestMessage!.RequestUri!, match.Groups[1].Value)).ToList();
        Assert.Contains(assets, asset => asset.AbsolutePath.EndsWith(".js", StringComparison.Ordinal));
        foreach (var asset in assets)
        {
            Assert.Equal(_http.BaseAddress!.Authority, asset.Authority);
            using var response = await _http.GetAsync(asset, Cancellation);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.NotEmpty(await response.Content.ReadAsByteArrayAsync(Cancellation));
        }
    }

    [Fact]
    public async Task Home_NoKey_IsServed()
    {
        await using var host = await AffectHost.StartAsync(Keys());
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };

        foreach (var path in (string[])["", "openapi.json", "docs/", "healthz/live", "healthz/ready"])
        {
            using var response = await http.GetAsync(path, Cancellation);
            Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode}");
        }
        Assert.Equal("3.1.0", (string)JsonNode.Parse(await http.GetStringAsync("openapi.json", Cancellation))!["openapi"]!);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("wrong")]
    public async Task Api_NoKey_IsUnauthorized(string? key)
    {
        await using var host = await AffectHost.StartAsync(Keys());
        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };
        using var channel = host.Gateway.CreateChannel();
        var headers = new Metadata();
        if (key is not null)
        {
            http.DefaultRequestHeaders.Add("x-api-key", key);
            headers.Add("x-api-key", key);
        }

        using var rest = await http.GetAsync("v1/models", Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, rest.StatusCode);
        Assert.Equal("ApiKey", Assert.Single(rest.Headers.WwwAuthenticate).Scheme);
        Assert.Equal("application/problem+json", rest.Content.Headers.ContentType?.MediaType);

        var error = await Assert.ThrowsAsync<RpcException>(async () =>
            await new EmotionService.EmotionServiceClient(channel).AnalyzeAsync(new(), headers, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.Unauthenticated, error.StatusCode);
        Assert.DoesNotContain(host.Logs.GetSnapshot(), record => key is not null && record.Message.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Api_Key_HasItsOwnLimits()
    {
        await using var host = await AffectHost.StartAsync(Keys());
        using var channel = host.Gateway.CreateChannel();
        var client = new EmotionService.EmotionServiceClient(channel);
        var (app, tiny) = (new Metadata { { "x-api-key", "key-of-app" } }, new Metadata { { "x-api-key", "key-of-tiny" } });

        await client.ListModelsAsync(new(), app, cancellationToken: Cancellation);

        // Two requests per minute over all protocols.
        await client.ListModelsAsync(new(), tiny, cancellationToken: Cancellation);
        var large = await Assert.ThrowsAsync<RpcException>(async () => await client.AnalyzeAsync(
            new() { Clip = new Clip { Audio = ByteString.CopyFrom(new byte[2000]) } }, tiny, cancellationToken: Cancellation));
        Assert.Equal("clip", Assert.Single(large.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations).Field);

        var often = await Assert.ThrowsAsync<RpcException>(async () => await client.ListModelsAsync(new(), tiny, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.ResourceExhausted, often.StatusCode);
        Assert.InRange(often.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan(), TimeSpan.FromSeconds(0.001), TimeSpan.FromSeconds(30));

        using var http = new HttpClient { BaseAddress = host.Gateway.HttpAddress };
        http.DefaultRequestHeaders.Add("x-api-key", "key-of-tiny");
        using var rest = await http.GetAsync("v1/models", Cancellation);
        Assert.Equal(HttpStatusCode.TooManyRequests, rest.StatusCode);
        Assert.InRange(rest.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

        // Each key has separate limits.
        await client.ListModelsAsync(new(), app, cancellationToken: Cancellation);
    }

    private static Dictionary<string, string?> Keys() => new()
    {
        ["Gateway:RequireApiKey"] = "true",
        ["Gateway:ApiKeys:app:Sha256"] = Sha256("key-of-app"),
        ["Gateway:ApiKeys:tiny:Sha256"] = Sha256("key-of-tiny"),
        ["Gateway:ApiKeys:tiny:RequestsPerMinute"] = "2",
        ["Gateway:ApiKeys:tiny:MaxRequestBytes"] = "1024",
    };

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    [GeneratedRegex("""(?:src|href)\s*=\s*"([^"]+)" """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Links();
}
