using System.Text;

namespace Affect.Fuzz;

/// <summary>Requests of HTTP/1.1 by the byte.</summary>
internal static class Http1
{
    private const string Host = "Host: localhost";

    /// <summary>A complete request; <paramref name="headers"/> follow Host, Connection and Content-Length.</summary>
    public static Case Post(string target, byte[] body, params string[] headers) =>
        new(Protocol.Http, Request(
            $"POST {target} HTTP/1.1", [Host, "Connection: close", $"Content-Length: {body.Length}", .. headers], body));

    public static byte[] Request(string line, IEnumerable<string> headers, byte[] body) =>
        [.. Encoding.UTF8.GetBytes(string.Join("\r\n", [line, .. headers, "", ""])), .. body];

    /// <summary>The handshake of a WebSocket.</summary>
    public static byte[] Upgrade(params string[] headers) => Request(
        "GET /v1/stream HTTP/1.1",
        [
            Host, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", .. headers,
        ],
        []);
}
