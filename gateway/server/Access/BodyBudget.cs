namespace Affect.Gateway.Access;

/// <summary>The bytes of request bodies that the process holds, in total and for each client. Thread-safe.</summary>
internal sealed class BodyBudget(GatewayOptions options, TimeProvider time)
{
    /// <summary>Bytes that are worth a collection once they are released.</summary>
    private const long MinCollectedBytes = 64 << 20;

    /// <summary>Times without bodies after which the memory is collected: the pools of arrays release those that were not used for a minute.</summary>
    private static readonly TimeSpan[] CollectAfter = [TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(65)];

    private readonly Lock _lock = new();

    /// <summary>Clients that hold bytes, by the keys of <see cref="ClientIdentityExtensions.GetPartitionKey"/>.</summary>
    private readonly Dictionary<string, long> _held = [];
    private long _total;
    private long _reservedSinceIdle;
    private int _idle;

    /// <summary>Bytes that are held.</summary>
    public long Total
    {
        get
        {
            lock (_lock)
                return _total;
        }
    }

    /// <summary>One client may hold four fifths, so that the others can still send clips.</summary>
    private long ClientLimit => options.MaxBufferedBytes / 5 * 4;

    /// <summary>Reserves bytes for a client; false if that would exceed its share or the total.</summary>
    public bool TryReserve(string client, long bytes)
    {
        lock (_lock)
        {
            var held = _held.GetValueOrDefault(client) + bytes;
            if (held > ClientLimit || _total + bytes > options.MaxBufferedBytes)
                return false;
            _held[client] = held;
            _total += bytes;
            _reservedSinceIdle += bytes;
            return true;
        }
    }

    /// <summary>Releases reserved bytes.</summary>
    public void Release(string client, long bytes)
    {
        lock (_lock)
        {
            _total -= bytes;
            if (_held.GetValueOrDefault(client) - bytes is > 0 and var left)
                _held[client] = left;
            else
                _held.Remove(client);
            if (_total > 0 || _reservedSinceIdle < MinCollectedBytes)
                return;
            _reservedSinceIdle = 0;
            _ = CollectAsync(++_idle);
        }
    }

    /// <summary>Returns the memory of large bodies to the system, while there are none: an idle process collects nothing.</summary>
    private async Task CollectAsync(int idle)
    {
        foreach (var delay in CollectAfter)
        {
            await Task.Delay(delay, time);
            lock (_lock)
                if (_total > 0 || _idle != idle)
                    return;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }
}
