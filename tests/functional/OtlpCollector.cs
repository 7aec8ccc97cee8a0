using System.Collections.Concurrent;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Affect.FunctionalTests;

/// <summary>An exported span.</summary>
/// <param name="Service">The resource's <c>service.name</c>.</param>
/// <param name="Trace">Hexadecimal.</param>
/// <param name="Id">Hexadecimal.</param>
/// <param name="Parent">Hexadecimal; empty for a root.</param>
/// <param name="Name">As the instrumentation named it.</param>
/// <param name="Kind">2: server, 3: client.</param>
/// <param name="Attributes">Values as text.</param>
internal sealed record Span(string Service, string Trace, string Id, string Parent, string Name, int Kind, IReadOnlyDictionary<string, string> Attributes);

/// <summary>
/// Receives the exports of services (OTLP over HTTP with protobuf bodies, https://opentelemetry.io/docs/specs/otlp/) in place of a
/// collector.
/// </summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly ConcurrentQueue<byte[]> _others = new();

    private OtlpCollector(WebApplication app) => _app = app;

    /// <summary>For OTEL_EXPORTER_OTLP_ENDPOINT.</summary>
    public string Address => _app.Urls.Single();

    public IReadOnlyCollection<Span> Spans => _spans;

    /// <summary>Bodies of metrics and logs as text.</summary>
    public string Others => string.Join('\n', _others.Select(Encoding.UTF8.GetString));

    public static async Task<OtlpCollector> StartAsync(CancellationToken cancellation)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        var collector = new OtlpCollector(builder.Build());
        collector._app.MapPost("/v1/{signal}", async (string signal, HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            if (signal != "traces")
                collector._others.Enqueue(body.ToArray());
            else
                foreach (var span in Spans(body.ToArray()))
                    collector._spans.Enqueue(span);
            return Results.Bytes([], "application/x-protobuf");
        });
        await collector._app.StartAsync(cancellation);
        return collector;

        // Field numbers of opentelemetry/proto/trace/v1/trace.proto.
        static IEnumerable<Span> Spans(byte[] export) =>
            from resourceSpans in Messages(export, 1)
            let service = Attributes(Messages(resourceSpans, 1).Single(), 1)["service.name"]
            from scopeSpans in Messages(resourceSpans, 2)
            from span in Messages(scopeSpans, 2)
            select new Span(
                service, Hex(span, 1), Hex(span, 2), Hex(span, 4), Encoding.UTF8.GetString(Messages(span, 5).Single()),
                (int)Numbers(span, 6).SingleOrDefault(), Attributes(span, 9));
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static string Hex(byte[] message, int field) => Convert.ToHexStringLower(Messages(message, field).SingleOrDefault() ?? []);

    private static Dictionary<string, string> Attributes(byte[] message, int field) => Messages(message, field).ToDictionary(
        pair => Encoding.UTF8.GetString(Messages(pair, 1).Single()),
        pair => Messages(pair, 2).Select(value => Messages(value, 1).Select(Encoding.UTF8.GetString)
            .Concat(Numbers(value, 2).Concat(Numbers(value, 3)).Select(number => $"{number}")).FirstOrDefault("")).Single());

    /// <summary>The strings, bytes and messages of one field.</summary>
    private static List<byte[]> Messages(byte[] message, int field) => Read(message, field, WireFormat.WireType.LengthDelimited, input => input.ReadBytes().ToByteArray());

    private static List<ulong> Numbers(byte[] message, int field) => Read(message, field, WireFormat.WireType.Varint, input => input.ReadUInt64());

    private static List<T> Read<T>(byte[] message, int field, WireFormat.WireType type, Func<CodedInputStream, T> read)
    {
        var found = new List<T>();
        using var input = new CodedInputStream(message);
        while (input.ReadTag() is not 0 and var tag)
            if (tag == WireFormat.MakeTag(field, type))
                found.Add(read(input));
            else
                input.SkipLastField();
        return found;
    }
}
