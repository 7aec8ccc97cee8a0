using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Affect.Gateway;
using Affect.Gateway.Access;
using Affect.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Affect.FunctionalTests;

/// <summary>Uploads that stall, and the bytes that uploads may hold together. Fusion is a fake: see there.</summary>
public sealed class UploadTests : IAsyncLifetime
{
    private const int Large = 30 << 20;

    private readonly FakeLogCollector _logs = new();
    private readonly FakeFusion _fusion = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private TestService? _fusionService;
    private TestService? _gateway;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private TestService Gateway => _gateway!;

    public async ValueTask InitializeAsync()
    {
        _fusionService = await _fusion.StartAsync(_logs);
        _gateway = await TestService.StartAsync(
            "affect-gateway", _logs,
            builder =>
            {
                builder.AddGateway();
                builder.Services.AddSingleton<TimeProvider>(_time);
            },
            GatewayHosting.MapGateway,
            new Dictionary<string, string?>
            {
                ["Gateway:FusionAddress"] = _fusionService.GrpcAddress,
                ["Gateway:ApiKeys:one:Sha256"] = Sha256("one"),
                ["Gateway:ApiKeys:two:Sha256"] = Sha256("two"),
                ["Gateway:MaxBufferedBytes"] = $"{64 << 20}",
            },
            http: true);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await _fusionService!.DisposeAsync();
        _logs.ThrowOnErrors();
    }

    /// <summary>Bytes that are sent fast before the upload stalls.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2 << 20)]
    public async Task Rest_StalledUpload_IsRequestTimeout(int sent)
    {
        using var upload = await UploadAsync("one", Large, sent);

        var response = await AdvanceAsync(ReadHeadAsync(upload));

        Assert.StartsWith("HTTP/1.1 408 ", response, StringComparison.Ordinal);
        await ReleasedAsync();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(2 << 20)]
    public async Task Grpc_StalledUpload_IsDeadlineExceeded(int sent)
    {
        using var http = new HttpClient { BaseAddress = new(Gateway.GrpcAddress) };
        var message = new byte[sent];
        if (sent >= 5)
            BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), Large);
        using var request = new HttpRequestMessage(HttpMethod.Post, "affect.v1.EmotionService/Analyze")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StallingContent(message),
            Headers = { { "x-api-key", "one" }, { "TE", "trailers" } },
        };

        using var response = await AdvanceAsync(http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation));
        await response.Content.ReadAsByteArrayAsync(Cancellation);

        var headers = response.Headers.Contains("grpc-status") ? response.Headers : response.TrailingHeaders;
        Assert.Equal("4", Assert.Single(headers.GetValues("grpc-status")));
        await ReleasedAsync();
    }

    [Fact]
    public async Task Rest_UploadAtMinimumRate_IsReadToItsEnd()
    {
        const int period = 81_920;
        using var upload = new TcpClient();
        await upload.ConnectAsync(Gateway.HttpAddress.Host, Gateway.HttpAddress.Port, Cancellation);
        await SendAsync(upload, $"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nx-api-key: one\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        var budget = Gateway.Services.GetRequiredService<BodyBudget>();

        for (var i = 1; i <= 5; i++)
        {
            await SendAsync(upload, $"{period:x}\r\n{new string(' ', period)}\r\n");
            while (budget.Total < i * period)
                await Task.Delay(5, Cancellation);
            _time.Advance(TimeSpan.FromSeconds(9));
        }
        await SendAsync(upload, "0\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 400 ", await ReadHeadAsync(upload), StringComparison.Ordinal);
        await ReleasedAsync();
    }

    [Fact]
    public async Task Rest_BudgetSpent_IsRejectedWithRetryAfter()
    {
        using var first = await UploadAsync("one", Large, 1 << 20);
        await HeldAsync(Large);

        // A client has four fifths of the budget, and all clients together the whole.
        using var second = await UploadAsync("one", Large, 0);
        var rejected = await ReadHeadAsync(second);
        Assert.StartsWith("HTTP/1.1 429 ", rejected, StringComparison.Ordinal);
        Assert.Contains("Retry-After: 1\r\n", rejected, StringComparison.Ordinal);
        using var other = await UploadAsync("two", Large, 1 << 20);
        await HeldAsync(2 * Large);
        using var third = await UploadAsync("two", Large, 0);
        Assert.StartsWith("HTTP/1.1 429 ", await ReadHeadAsync(third), StringComparison.Ordinal);

        first.Close();
        await HeldAsync(Large);
        using var next = await UploadAsync("one", Large, 1 << 20);
        await HeldAsync(2 * Large);
    }

    private Task ReleasedAsync() => HeldAsync(0);

    private async Task HeldAsync(long bytes)
    {
        var budget = Gateway.Services.GetRequiredService<BodyBudget>();
        while (budget.Total != bytes)
            await Task.Delay(5, Cancellation);
    }

    private async Task<T> AdvanceAsync<T>(Task<T> response)
    {
        while (!response.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(response, Task.Delay(5, Cancellation));
        }
        return await response;
    }

    private async Task<TcpClient> UploadAsync(string key, int length, int sent)
    {
        var upload = new TcpClient();
        await upload.ConnectAsync(Gateway.HttpAddress.Host, Gateway.HttpAddress.Port, Cancellation);
        await SendAsync(upload, $"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        await SendAsync(upload, new string(' ', sent));
        return upload;
    }

    private static async Task SendAsync(TcpClient client, string text) =>
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text), Cancellation);

    private static async Task<string> ReadHeadAsync(TcpClient client)
    {
        var buffer = new byte[4096];
        var length = 0;
        while (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
        {
            var read = await client.GetStream().ReadAsync(buffer.AsMemory(length), Cancellation);
            Assert.NotEqual(0, read);
            length += read;
        }
        return Encoding.ASCII.GetString(buffer, 0, length);
    }

    private static string Sha256(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    /// <summary>The start of a message, without its end.</summary>
    private sealed class StallingContent : HttpContent
    {
        private readonly byte[] _start;

        public StallingContent(byte[] start)
        {
            _start = start;
            Headers.ContentType = new("application/grpc");
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_start, Cancellation);
            await stream.FlushAsync(Cancellation);
            await Task.Delay(Timeout.Infinite, Cancellation);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
