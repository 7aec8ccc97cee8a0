using Google.Protobuf.WellKnownTypes;

namespace Affect.Hosting;

/// <summary>Checked conversions of <see cref="Duration"/>, whose own conversion throws on one that is malformed.</summary>
public static class ProtoDurations
{
    /// <summary>Converts a well-formed duration within bounds; false if it is absent, malformed or out of bounds.</summary>
    /// <param name="duration">As a client sent it.</param>
    /// <param name="min">Smallest accepted value, not negative.</param>
    /// <param name="max">Largest accepted value.</param>
    /// <param name="time">The converted value, rounded down to 100 ns.</param>
    public static bool TryToTimeSpan(this Duration? duration, TimeSpan min, TimeSpan max, out TimeSpan time)
    {
        time = default;
        if (duration is not { Seconds: >= 0 and <= Duration.MaxSeconds, Nanos: >= 0 and < 1_000_000_000 })
            return false;
        time = new TimeSpan(duration.Seconds * TimeSpan.TicksPerSecond + duration.Nanos / TimeSpan.NanosecondsPerTick);
        return time >= min && (time < max || time == max && duration.Nanos % TimeSpan.NanosecondsPerTick == 0);
    }
}
