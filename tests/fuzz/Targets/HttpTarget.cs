using System.Text;
using Affect.Fuzz.Mutation;

namespace Affect.Fuzz.Targets;

/// <summary>Methods, paths, query strings and headers.</summary>
internal static class HttpTarget
{
    private static readonly string[] Methods =
    [
        "GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "G\0T", new('G', 9_000),
    ];

    private static readonly string[] Paths =
    [
        "/", "/analyze", "/v1/models", "/v1/models/tiny-speech", "/v1/analyze", "/v1/stream", "/v1/events", "/v1/admin/events",
        "/openapi.json", "/docs", "/healthz/ready",
        "/metrics", "/dapr/subscribe", "/events", "/affect.v1.EmotionService/Analyze", "*", "//", "/..%2f..%2fetc/passwd", "/%", "/%00",
        "/%ff%fe", "/v1/models/%ED%A0%80", "/v1/models/",
        "/v1//models", "http://evil.example/", "/v1/models/" + new string('x', 6_000),
    ];

    private static readonly string[] Queries =
    [
        "modality=speech", "modality=", "modality=MODALITY_FACE", "modality", "modality=speech&modality=face", "modality=%00",
        "modality=%ff", "modality=%ED%A0%80", "session_id=c-17",
        "session_id=%0d%0a", "session_id=" + new string('x', 6_000), "&&&", "=", "?", "%", "a[]=1&a[0]=2",
        string.Join('&', Enumerable.Range(0, 1_100).Select(i => $"a{i}")),
    ];

    private static readonly string[] Headers =
    [
        "Host: evil.example", "Host: localhost", "Host:", "Host: localhost:99999", "Host: a b", "Host: [::1",
        "Host: " + new string('h', 5_000), "Origin: http://localhost",
        "Origin: http://evil.example", "Origin: null", "Origin: ", "Origin: %%%", "Origin: " + new string('o', 5_000),
        "Authorization: Bearer", "Authorization: Bearer a.b.c",
        "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", "Authorization: Basic OTo5", "Authorization: " + new string('a', 9_000),
        "x-api-key: wrong", "x-api-key:", "x-api-key: \x7f",
        "x-api-key: é", "x-api-key: " + new string('k', 9_000), "Content-Type: application/json", "Content-Type: multipart/form-data",
        "Content-Type: application/grpc", "Content-Type: ;",
        "Content-Type: application/json; charset=utf-7", "Content-Length: 0", "Content-Length: -1", "Content-Length: 99999999999999999999",
        "Content-Length: 1, 2", "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Expect: 100-continue", "Expect: tea", "Upgrade: websocket",
        "Upgrade: h2c", "Connection: Upgrade", "Connection: keep-alive",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: short",
        "Sec-WebSocket-Protocol: affect.v1",
        "Sec-WebSocket-Protocol: affect.v1, affect.key.é", "Sec-WebSocket-Protocol: affect.bearer.x", "Sec-WebSocket-Protocol: ,,,",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
        "Accept-Encoding: gzip, br, *;q=0", "Accept-Encoding: " + new string(',', 3_000), "If-None-Match: *",
        "If-Modified-Since: yesterday", "Range: bytes=5-2", "Range: bytes=0-0,0-0,0-0", "Last-Event-ID: \t",
        "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: javascript", "Forwarded: for=x",
        "X-HTTP-Method-Override: DELETE", "Cookie: a=b; \u0001", "traceparent: 00-0-0-0",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "baggage: " + new string('b', 9_000), "tracestate: =,",
        "grpc-timeout: 1H", " folded: x", "no colon", "X: a\rb", "X: \0",
        "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-api-key", "dapr-api-token: x", "Content-Encoding: gzip",
    ];

    /// <summary>Headers that decide where a request ends.</summary>
    private static readonly string[] Framing = ["Content-Length", "Transfer-Encoding", "Upgrade"];

    public static Case Create(Random random)
    {
        var line = $"{random.Pick(Methods)} {random.Pick(Paths)}{(random.Chance(0.4) ? $"?{random.Pick(Queries)}" : "")} HTTP/1.1";
        var headers = Sequence.Mutate(random, ["Host: localhost", "Connection: close", "Accept: */*"], _ => random.Pick(Headers));
        for (var more = random.Next(4); more > 0; more--)
            headers.Insert(random.Next(headers.Count + 1), random.Pick(Headers));
        var body = random.Chance(0.3) ? random.Pick(Hostile.Json) : [];
        if (body.Length > 0)
            headers.Add($"Content-Length: {body.Length}");
        var request = Http1.Request(line, headers, body);
        if (random.Chance(0.2))
            request = Bytes.Mutate(random, request);
        // Waits for an answer where the headers leave no doubt that the request is complete.
        var complete = Encoding.UTF8.GetString(request).StartsWith("GET ", StringComparison.Ordinal)
            && !headers.Exists(header => Framing.Any(name => header.StartsWith(name, StringComparison.Ordinal)))
            && request.AsSpan().EndsWith("\r\n\r\n"u8);
        return new(Protocol.Http, request, complete ? Ending.Await : random.Chance(0.1) ? Ending.Reset : Ending.HalfClose);
    }
}
