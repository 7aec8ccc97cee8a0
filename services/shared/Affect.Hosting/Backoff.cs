namespace Affect.Hosting;

/// <summary>The delays between attempts: exponential, capped, with jitter so that callers that failed together do not return together.</summary>
/// <param name="First">Mean delay after the first attempt.</param>
/// <param name="Max">Largest mean delay; a server may ask for more.</param>
public readonly record struct Backoff(TimeSpan First, TimeSpan Max)
{
    /// <summary>The delay before the next attempt.</summary>
    /// <param name="attempt">Number of the attempt that failed, from 0.</param>
    /// <param name="retryAfter">The delay that the server asked for; it replaces the exponential one, and jitter only adds to it.</param>
    public TimeSpan Delay(int attempt, TimeSpan? retryAfter = null)
    {
        if (retryAfter > TimeSpan.Zero)
            return retryAfter.Value * (1 + 0.25 * Random.Shared.NextDouble());
        var seconds = Math.Min(First.TotalSeconds * Math.Pow(2, attempt), Max.TotalSeconds);
        return TimeSpan.FromSeconds(seconds * (0.5 + Random.Shared.NextDouble()));
    }
}
