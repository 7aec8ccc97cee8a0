using Affect.Client;
using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>Exports of five processes while one clip and one call are analyzed.</summary>
public sealed class TelemetryTests
{
    /// <summary>The attributes that a span may have: caller, callee, protocol and status.</summary>
    private static readonly HashSet<string> Allowed =
    [
        "http.request.method", "http.request.method_original", "http.response.status_code", "http.route", "error.type",
        "network.protocol.version", "server.address", "server.port", "url.full", "url.path", "url.scheme", "user_agent.original",
        "rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "rpc.system.name", "rpc.response.status_code", "grpc.method", "grpc.status_code",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tracing_ClipAndCall_HaveOneTraceEach()
    {
        await using var collector = await OtlpCollector.StartAsync(Cancellation);
        await using var affect = await AffectProcesses.StartAsync(
            Cancellation,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Address), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"), ("OTEL_METRIC_EXPORT_INTERVAL", "200"));
        const string key = "a-secret-key", session = "a-session-of-a-caller";
        var photo = TestMedia.Photo("1.jpg");
        using (var client = new AffectClient(new AffectClientOptions { Address = affect.Gateway.Address, ApiKey = key }))
        {
            await client.AnalyzeAsync(new Clip { Audio = TestMedia.Speech(), Images = photo is null ? [] : [photo] }, Cancellation);
            await using var call = client.StartCall(
                new StreamOptions { SessionId = session, Audio = new(AudioEncoding.L16, 22050, [SpeakerRole.Customer]) }, Cancellation);
            var results = call.Results.ToListAsync(Cancellation).AsTask();
            var pcm = TestMedia.Speech()[44..];
            await call.WriteAudioAsync(pcm, Cancellation);
            await call.CompleteAsync();
            await results;
        }

        var clip = await TraceAsync(collector, "/affect.v1.EmotionService/Analyze", photo is null ? 4 : 5);
        Assert.Equal("", Caller(clip, "affect-gateway", "/affect.v1.EmotionService/Analyze"));
        Assert.Equal("affect-gateway", Caller(clip, "affect-fusion", "/affect.fusion.v1.FusionService/Analyze"));
        Assert.Equal("affect-fusion", Caller(clip, "affect-features", "/affect.features.v1.FeaturesService/ExtractSpeech"));
        Assert.Equal("affect-fusion", Caller(clip, "affect-speech", "/affect.classifier.v1.ClassifierService/Classify"));
        if (photo is not null)
        {
            Assert.Equal("affect-fusion", Caller(clip, "affect-features", "/affect.features.v1.FeaturesService/ExtractFaces"));
            Assert.Equal("affect-fusion", Caller(clip, "affect-face", "/affect.classifier.v1.ClassifierService/Classify"));
        }

        var stream = await TraceAsync(collector, "/affect.v1.EmotionService/AnalyzeStream", 4);
        Assert.Equal("affect-gateway", Caller(stream, "affect-fusion", "/affect.fusion.v1.FusionService/AnalyzeStream"));
        Assert.Equal("affect-fusion", Caller(stream, "affect-features", "/affect.features.v1.FeaturesService/ExtractCall"));
        Assert.Equal("affect-fusion", Caller(stream, "affect-speech", "/affect.classifier.v1.ClassifierService/Classify"));

        // Probes have no spans, and spans have no other attributes.
        Assert.DoesNotContain(collector.Spans, span => span.Kind == 2 && span.Attributes["url.path"].Contains("Health", StringComparison.Ordinal));
        Assert.Empty(collector.Spans.SelectMany(span => span.Attributes.Keys).Distinct().Except(Allowed));
        Assert.DoesNotContain(collector.Spans.SelectMany(span => span.Attributes.Values), value => value.Contains(key) || value.Contains(session));

        // Metrics are exported too; neither they nor the log contain the key.
        await UntilAsync(() => collector.Others.Contains("affect.fusion.window.duration") && collector.Others.Contains("affect.inference.queue.duration"));
        Assert.DoesNotContain(key, collector.Others, StringComparison.Ordinal);
    }

    /// <summary>The spans of the trace that starts with a request, when the given number of services have exported theirs.</summary>
    private static async Task<List<Span>> TraceAsync(OtlpCollector collector, string path, int services)
    {
        List<Span> spans = [];
        await UntilAsync(() =>
        {
            var root = collector.Spans.FirstOrDefault(span => span.Kind == 2 && span.Attributes["url.path"] == path);
            spans = [.. collector.Spans.Where(span => span.Trace == root?.Trace)];
            return root is not null && spans.Where(span => span.Kind == 2).Select(span => span.Service).Distinct().Count() >= services;
        });
        return spans;
    }

    /// <summary>Pairs of the service that answered a request and the service that sent it.</summary>
    private static string Caller(List<Span> trace, string service, string path)
    {
        var answered = trace.First(span => span.Kind == 2 && span.Service == service && span.Attributes["url.path"] == path);
        var caller = trace.SingleOrDefault(span => span.Id == answered.Parent);
        // The client has no span of its request here.
        Assert.True(caller is null or { Kind: 3 });
        return caller?.Service ?? "";
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var deadline = DateTime.UtcNow.AddMinutes(1); !holds(); await Task.Delay(50, Cancellation))
            Assert.True(DateTime.UtcNow < deadline, "What was exported did not come within a minute.");
    }
}
