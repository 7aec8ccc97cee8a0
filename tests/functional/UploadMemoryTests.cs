using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>The memory of the gateway, as a separate process, before, while and after uploads stall.</summary>
public sealed class UploadMemoryTests
{
    private const int Uploads = 40, Length = 31 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Uploads_StoppedBeforeTheirEnd_AreRejectedAndMemoryReturns()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc is Linux's.");
        await using var gateway = new ServiceProcess("Gateway", ("Gateway__RequireApiKey", "false"));
        await gateway.StartAsync(Cancellation);
        // The first requests load code that stays in memory.
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => UploadAsync(gateway.HttpAddress, 1 << 20, complete: true)));
        var before = await ResidentBytesAsync(gateway);

        var uploads = Enumerable.Range(0, Uploads).Select(_ => UploadAsync(gateway.HttpAddress, Length, complete: false)).ToList();
        var peak = before;
        while (!uploads.All(upload => upload.IsCompleted))
        {
            await Task.Delay(200, Cancellation);
            peak = Math.Max(peak, await ResidentBytesAsync(gateway));
        }

        var statuses = await Task.WhenAll(uploads);
        Assert.All(statuses, status => Assert.Contains(status, (string[])["408", "429"]));
        Assert.Contains("408", statuses);
        Assert.InRange(peak - before, 0, 400L << 20);
        while (await ResidentBytesAsync(gateway) > before * 1.2)
            await Task.Delay(200, Cancellation);
    }

    /// <summary>Sends a body, without its last byte if it is not complete. Returns the status of the response.</summary>
    private static async Task<string> UploadAsync(Uri address, int length, bool complete)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, Cancellation);
        var stream = client.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes($"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"),
            Cancellation);
        var response = ReadStatusAsync();
        var part = new byte[1 << 16];
        Array.Fill(part, (byte)' ');
        try
        {
            for (var left = complete ? length : length - 1; left > 0 && !response.IsCompleted; left -= Math.Min(left, part.Length))
                await stream.WriteAsync(part.AsMemory(0, Math.Min(left, part.Length)), Cancellation);
        }
        catch (IOException)
        {
            // The server has answered and closes the connection.
        }
        return await response;

        async Task<string> ReadStatusAsync()
        {
            var head = new byte["HTTP/1.1 408".Length];
            await stream.ReadExactlyAsync(head, Cancellation);
            return Encoding.ASCII.GetString(head)[^3..];
        }
    }

    private static async Task<long> ResidentBytesAsync(ServiceProcess process)
    {
        var line = (await File.ReadAllLinesAsync($"/proc/{process.Id}/status", Cancellation)).Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
