using System.Diagnostics;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Affect.Benchmarks;

/// <summary>Calls in real time with one customer and small chunks, and the latency of their windows.</summary>
/// <param name="client">The server.</param>
/// <param name="headers">The key.</param>
/// <param name="voice">µ-law at 8 kHz.</param>
/// <param name="hop">Seconds from the start of one window to the next.</param>
internal sealed class RealTimeCalls(EmotionService.EmotionServiceClient client, Metadata headers, byte[] voice, double hop)
{
    private const int Rate = 8_000, ChunkBytes = Rate / 50, LastChunks = 25;

    private static readonly TimeSpan Chunk = TimeSpan.FromSeconds((double)ChunkBytes / Rate);

    /// <summary>Latencies of the windows with speech in milliseconds, in ascending order: from the sending of its last chunk to its arrival.</summary>
    public async Task<List<double>> MeasureAsync(int calls, double seconds)
    {
        // Starts are spread, so that windows of several calls do not become complete together.
        var latencies = await Task.WhenAll(Enumerable.Range(0, calls).Select(i => RunAsync(i * hop / calls, i * Rate, seconds)));
        return [.. latencies.SelectMany(call => call).Order()];
    }

    private async Task<List<double>> RunAsync(double delay, int from, double seconds)
    {
        await Task.Delay(TimeSpan.FromSeconds(delay));
        var sent = new long[(int)(seconds * Rate / ChunkBytes)];
        using var call = client.AnalyzeStream(headers);
        await call.RequestStream.WriteAsync(new()
        {
            Config = new()
            {
                Audio = new() { Encoding = AudioEncoding.Mulaw, SampleRate = Rate, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } },
                Hop = Duration.FromTimeSpan(TimeSpan.FromSeconds(hop)),
            },
        });
        var reading = ReadAsync();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < sent.Length; i++)
        {
            if (Chunk * (i + 1) - Stopwatch.GetElapsedTime(start) is var wait && wait > TimeSpan.Zero)
                await Task.Delay(wait);
            Volatile.Write(ref sent[i], Stopwatch.GetTimestamp());
            var data = ByteString.CopyFrom(voice, (int)((from + ((long)i * ChunkBytes)) % (voice.Length - ChunkBytes)), ChunkBytes);
            await call.RequestStream.WriteAsync(new() { Audio = new() { Position = (long)i * ChunkBytes, Data = data } });
        }

        await call.RequestStream.CompleteAsync();
        return await reading;

        async Task<List<double>> ReadAsync()
        {
            var latencies = new List<double>();
            await foreach (var response in call.ResponseStream.ReadAllAsync())
                // The last windows become complete by the end of the call. Windows without speech wait for the voice activity after them.
                if (response.Window is { Voice.Judgement.Scores: not null } window && window.End.ToTimeSpan() / Chunk is var last && last < sent.Length - LastChunks)
                    latencies.Add(Stopwatch.GetElapsedTime(Volatile.Read(ref sent[(int)last])).TotalMilliseconds);
            return latencies;
        }
    }
}
