using Affect.Hosting;

namespace Affect.Fusion;

/// <summary>So many clips and calls at once: each holds media in memory, and who would wait here had better wait at home.</summary>
internal sealed class Admission(FusionOptions options)
{
    public Places Clips { get; } = new(options.MaxClips, "clips are being analysed already");

    public Places Calls { get; } = new(options.MaxCalls, "calls are being listened to already");
}

internal sealed class Places(int count, string full)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private int _inside;

    /// <summary>Lets one in until the result is disposed.</summary>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED with RetryInfo: there are too many.</exception>
    public IDisposable Enter()
    {
        if (Interlocked.Increment(ref _inside) <= count)
            return new Place(this);
        Interlocked.Decrement(ref _inside);
        throw RpcErrors.ResourceExhausted($"{count} {full}", RetryAfter);
    }

    private sealed class Place(Places places) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref places._inside);
    }
}
