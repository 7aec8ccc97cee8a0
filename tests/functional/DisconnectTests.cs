using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Affect.Hosting;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>
/// Clients that break connections and protocols, by real sockets, while requests are read, computed and answered. The log stays silent.
/// </summary>
public sealed class DisconnectTests
{
    private static readonly byte[] Preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(4, 0, 0, [])];

    /// <summary>How a client leaves an HTTP/2 connection with a request on stream 1.</summary>
    private static readonly Dictionary<string, byte[]> Endings = new()
    {
        ["TCP reset"] = [],
        ["RST_STREAM, CANCEL"] = Frame(3, 0, 1, [0, 0, 0, 8]),
        ["RST_STREAM, INTERNAL_ERROR"] = Frame(3, 0, 1, [0, 0, 0, 2]),
        ["GOAWAY"] = Frame(7, 0, 0, new byte[8]),
        ["garbage"] = [.. Enumerable.Repeat((byte)0xFF, 400)],
        ["a header block that cannot be decoded"] = Frame(1, 4, 3, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ["a window that overflows"] = Frame(8, 0, 1, [0x7F, 0xFF, 0xFF, 0xFF]),
        ["300 streams that are reset"] = [.. Enumerable.Range(1, 300).SelectMany(i =>
            (byte[])[.. Frame(1, 4, 1 + 2 * i, Headers("ListModels")), .. Frame(3, 0, 1 + 2 * i, [0, 0, 0, 8])])],
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Clients_BreakConnections_LogIsSilent()
    {
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Gateway:Anonymous:RequestsPerMinute"] = "1000000" });
        var grpc = new Uri(host.Gateway.GrpcAddress).Port;
        var http = host.Gateway.HttpAddress.Port;
        var clip = new AnalyzeRequest { Clip = new() { Audio = ByteString.CopyFrom(TestMedia.Speech().AsSpan(0, 50_000)) } };
        var call = new AnalyzeStreamRequest
        {
            Config = new() { Audio = new() { Encoding = AudioEncoding.L16, SampleRate = 8000, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } } },
        };
        var chunk = new AnalyzeStreamRequest { Audio = new() { Data = ByteString.CopyFrom(new byte[30_000]) } };

        foreach (var ending in Endings.Values)
        {
            // Cut off in the prefix, in the message, after it, and in the second message of a stream.
            await SendAsync(grpc, [.. Preface, .. Frame(1, 4, 1, Headers("Analyze")), .. Frame(0, 0, 1, [0, 0])], ending);
            await SendAsync(grpc, [.. Preface, .. Frame(1, 4, 1, Headers("Analyze")), .. Data(clip)[..20_000]], ending);
            foreach (var delay in (int[])[0, 20, 100])
                await SendAsync(grpc, [.. Preface, .. Frame(1, 4, 1, Headers("Analyze")), .. Data(clip), .. Frame(0, 1, 1, [])], ending, delay);
            await SendAsync(grpc, [.. Preface, .. Frame(1, 4, 1, Headers("AnalyzeStream")), .. Data(call), .. Data(chunk)], ending, 50);
            await SendAsync(grpc, [.. Preface, .. Frame(1, 4, 1, Headers("AnalyzeStream")), .. Data(call), .. Data(chunk)[..9_000]], ending);
        }

        foreach (var port in (int[])[grpc, http])
        {
            await SendAsync(port, []);
            await SendAsync(port, Preface.AsSpan(0, 10).ToArray());
            await SendAsync(port, RandomNumberGenerator.GetBytes(200));
            await SendAsync(port, [0x16, 0x03, 0x01, 0x00, 0xA5, 0x01, 0x00, 0x00, 0xA1, 0x03, 0x03, .. new byte[160]]);
        }

        var multipart = $"--x\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a\"\r\n\r\n{new string('a', 50_000)}";
        await SendAsync(http, Post("multipart/form-data; boundary=x", 5_000_000, multipart));
        await SendAsync(http, Post("application/json", 500_000, "{\"audio\":\"AAAA"));
        await SendAsync(http, Ascii("POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"), delay: 50);
        await SendAsync(http, Ascii("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"), delay: 50);
        await SendAsync(http, Ascii("GET /v1/%1b%0d%0afail: HTTP/1.1\r\nHost: \u007f\r\n\r\n"), delay: 50);
        var whole = multipart + "\r\n--x--\r\n";
        foreach (var delay in (int[])[0, 20])
            await SendAsync(http, Post("multipart/form-data; boundary=x", whole.Length, whole), delay: delay);

        var upgrade = Ascii(
            "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: affect.v1\r\n\r\n");
        var config = SocketFrame(1, Ascii("{\"audio\":{\"encoding\":\"L16\",\"sample_rate\":8000,\"channels\":[{\"role\":\"CUSTOMER\"}]}}"));
        foreach (var frame in (byte[][])
            [[], [0x81, 5, 1, 2, 3, 4, 5], SocketFrame(2, new byte[100])[..40], SocketFrame(5, [1]), SocketFrame(8, [0, 1]), SocketFrame(8, [3, 232]), SocketFrame(1, [0xFF])])
        {
            await SendAsync(http, [.. upgrade, .. frame], delay: 50);
            await SendAsync(http, [.. upgrade, .. config, .. frame], delay: 50);
        }

        AssertSilent(host.Logs);
    }

    [Fact]
    public async Task Clients_BreakTlsHandshakes_LogIsSilent()
    {
        var folder = Directory.CreateTempSubdirectory("affect-tls-");
        try
        {
            WriteCertificate(folder.FullName);
            var logs = new FakeLogCollector();
            var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Server:Address"] = "127.0.0.1",
                ["Server:GrpcPort"] = "0",
                ["Server:TlsPath"] = folder.FullName,
                ["Server:RequireClientCertificate"] = "true",
            });
            builder.Logging.ClearProviders().AddProvider(new FakeLoggerProvider(logs));
            builder.AddAffectDefaults("affect-tests");
            await using var server = builder.Build();
            server.MapAffectDefaults();
            await server.StartAsync(Cancellation);
            var port = new Uri(server.Urls.Single()).Port;

            await SendAsync(port, [0x16, 0x03, 0x01, 0x00, 0xA5, 0x01, 0x00, 0x00, 0xA1, 0x03, 0x03, .. new byte[160]], delay: 50);
            await SendAsync(port, [0x16, 0x03, 0x01]);
            await SendAsync(port, Preface, delay: 50);
            await SendAsync(port, RandomNumberGenerator.GetBytes(200), delay: 50);
            // A client that does not trust the server, one without a certificate, and one that resets after the handshake.
            foreach (var trusts in (bool[])[false, true])
            {
                using var socket = new TcpClient();
                await socket.ConnectAsync(IPAddress.Loopback, port, Cancellation);
                await using var tls = new SslStream(socket.GetStream());
                try
                {
                    await tls.AuthenticateAsClientAsync(
                        new() { TargetHost = "localhost", RemoteCertificateValidationCallback = (_, _, _, _) => trusts }, Cancellation);
                    await tls.WriteAsync(Preface, Cancellation);
                    await tls.ReadExactlyAsync(new byte[1], Cancellation);
                }
                catch (Exception exception) when (exception is System.Security.Authentication.AuthenticationException or IOException)
                {
                    // One of the two sides refused.
                }
                socket.LingerState = new(true, 0);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), Cancellation);
            AssertSilent(logs);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Nothing at the level of warnings, and no exception at a level that is on by default.</summary>
    private static void AssertSilent(FakeLogCollector logs) => Assert.DoesNotContain(
        logs.GetSnapshot(), record => record.Level >= LogLevel.Warning && record.Id.Name is not ("faces.detector.haar" or "checkpoint.key_generated")
            || record.Exception is not null && record.Level >= LogLevel.Information);

    /// <summary>Sends bytes, waits, sends the ending, and resets the connection.</summary>
    private static async Task SendAsync(int port, byte[] bytes, byte[]? ending = null, int delay = 0)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new(true, 0) };
        await socket.ConnectAsync(IPAddress.Loopback, port, Cancellation);
        try
        {
            await socket.SendAsync(bytes, Cancellation);
            await Task.Delay(delay, Cancellation);
            if (ending is { Length: > 0 })
            {
                await socket.SendAsync(ending, Cancellation);
                // The server answers or closes.
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
                patience.CancelAfter(TimeSpan.FromMilliseconds(50));
                await socket.ReceiveAsync(new byte[1 << 16], patience.Token);
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException && !Cancellation.IsCancellationRequested)
        {
            // The server was faster.
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    /// <summary>DATA frames of a gRPC message.</summary>
    private static byte[] Data(IMessage message)
    {
        var bytes = message.ToByteArray();
        var prefix = new byte[5];
        BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(1), bytes.Length);
        return [.. prefix.Concat(bytes).Chunk(16_000).SelectMany(part => Frame(0, 0, 1, part))];
    }

    /// <summary>Literals without indexing: RFC 7541, 6.2.2.</summary>
    private static byte[] Headers(string method)
    {
        (string, string)[] headers =
        [
            (":method", "POST"), (":scheme", "http"), (":path", $"/affect.v1.EmotionService/{method}"), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ];
        return [.. headers.SelectMany(header => (byte[])[0, (byte)header.Item1.Length, .. Ascii(header.Item1), (byte)header.Item2.Length, .. Ascii(header.Item2)])];
    }

    private static byte[] Post(string type, int length, string body) =>
        Ascii($"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: {type}\r\nContent-Length: {length}\r\n\r\n{body}");

    /// <summary>A masked frame with a mask of zeros: RFC 6455, 5.2.</summary>
    private static byte[] SocketFrame(byte opcode, byte[] payload) => [(byte)(0x80 | opcode), (byte)(0x80 | payload.Length), 0, 0, 0, 0, .. payload];

    private static byte[] Ascii(string text) => Encoding.Latin1.GetBytes(text);

    private static void WriteCertificate(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(folder, "tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "ca.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "tls.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
