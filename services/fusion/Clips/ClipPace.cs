namespace Affect.Fusion.Clips;

/// <summary>A clip cannot be analyzed before the deadline of its caller.</summary>
internal sealed class ClipTooLongException() : Exception("the clip cannot be analyzed before the deadline");

/// <summary>
/// The pace at which long clips are being analyzed. A clip whose windows take longer at this pace than its caller waits is given up
/// before it takes more CPU time, one after another: those that remain become faster. Thread-safe.
/// </summary>
internal sealed class ClipPace(TimeProvider time)
{
    /// <summary>Windows between two checks. Clips with fewer than two steps always fit.</summary>
    public const int Step = 100;

    /// <summary>An older pace says nothing about the current load.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(10);

    /// <summary>Shortest time between two clips that are given up while they are analyzed.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private TimeSpan _perWindow;
    private long _measured, _givenUp;

    /// <summary>Checks a clip before its windows are analyzed.</summary>
    /// <param name="windows">Its windows.</param>
    /// <param name="available">Time until the deadline.</param>
    /// <exception cref="ClipTooLongException">At the pace of the other clips, the time does not suffice.</exception>
    public void Check(int windows, TimeSpan available)
    {
        lock (_lock)
            if (windows >= 2 * Step && _measured != 0 && time.GetElapsedTime(_measured) < MaxAge && _perWindow * windows > available)
                throw new ClipTooLongException();
    }

    /// <summary>Checks a clip after each <see cref="Step"/> of its windows.</summary>
    /// <param name="done">Windows analyzed.</param>
    /// <param name="windows">All its windows.</param>
    /// <param name="elapsed">Time since its first window.</param>
    /// <param name="available">Time until the deadline.</param>
    /// <exception cref="ClipTooLongException">At its own pace, the time does not suffice.</exception>
    public void Check(int done, int windows, TimeSpan elapsed, TimeSpan available)
    {
        if (windows < 2 * Step)
            return;
        lock (_lock)
        {
            _perWindow = elapsed / done;
            _measured = time.GetTimestamp();
            if (_perWindow * (windows - done) <= available || (_givenUp != 0 && time.GetElapsedTime(_givenUp) < Interval))
                return;
            _givenUp = _measured;
        }

        throw new ClipTooLongException();
    }
}
