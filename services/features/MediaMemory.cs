using Affect.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Options;

namespace Affect.Features;

/// <summary>
/// The memory of audio files and pictures. Bounds the bytes of those that are processed or wait, and collects their large arrays early:
/// otherwise hundreds of megabytes of garbage remain, because the garbage collector does not know that OpenCV and ffmpeg need memory.
/// </summary>
internal sealed class MediaMemory(IOptions<FeaturesOptions> options)
{
    /// <summary>Bytes of garbage after which it is collected.</summary>
    private const long MaxGarbage = 32 << 20;

    private readonly long _max = options.Value.MaxPendingBytes;
    private readonly Dictionary<string, long> _reserved = [];
    private long _total;
    private long _garbage;

    /// <summary>Reserves the bytes of a file until the lease is disposed. A tenant has at most half of all bytes.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo: other files leave too little.</exception>
    public IDisposable Reserve(string tenant, int length)
    {
        lock (_reserved)
        {
            var reserved = _reserved.GetValueOrDefault(tenant) + length;
            if (reserved > _max / 2 || _total + length > _max)
                throw RpcErrors.ResourceExhausted("features is overloaded", FairLimiterExtensions.RetryAfter);
            _reserved[tenant] = reserved;
            _total += length;
        }

        // Sweeps without moving objects: a few milliseconds, also with thousands of calls.
        if (Interlocked.Read(ref _garbage) >= MaxGarbage && Interlocked.Exchange(ref _garbage, 0) > 0)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
        Discard(length);
        return new Lease(this, tenant, length);
    }

    /// <summary>Counts bytes of arrays that become garbage when the file has been processed.</summary>
    public void Discard(long bytes) => Interlocked.Add(ref _garbage, bytes);

    private void Release(string tenant, int length)
    {
        lock (_reserved)
        {
            _total -= length;
            if ((_reserved[tenant] -= length) == 0)
                _reserved.Remove(tenant);
        }
    }

    private sealed class Lease(MediaMemory memory, string tenant, int length) : IDisposable
    {
        public void Dispose() => memory.Release(tenant, length);
    }
}
