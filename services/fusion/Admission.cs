using Affect.Hosting;

namespace Affect.Fusion;

/// <summary>So many clips at once: each holds its media in memory, and who would wait here had better wait at home.</summary>
internal sealed class Admission(FusionOptions options)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private int _inside;

    /// <summary>Lets a clip in until the result is disposed.</summary>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED with RetryInfo: there are too many.</exception>
    public IDisposable Enter()
    {
        if (Interlocked.Increment(ref _inside) <= options.MaxClips)
            return new Place(this);
        Interlocked.Decrement(ref _inside);
        throw RpcErrors.ResourceExhausted($"{options.MaxClips} clips are being analysed already", RetryAfter);
    }

    private sealed class Place(Admission admission) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref admission._inside);
    }
}
