using Affect.Audio;
using Affect.Fusion.V1;
using Google.Protobuf;

namespace Affect.Fusion.Calls;

/// <summary>
/// The audio of one channel: where its voice is, how loud each tick is, and the bytes that its next windows need. Samples are
/// counted at the call's own rate; windows at 22,050 Hz.
/// </summary>
internal sealed class CallChannel
{
    private readonly CallPlan _plan;
    private readonly bool _keeps;
    private readonly VoiceActivityDetector _voice;
    private readonly List<SpeechSegment> _found = [];
    private readonly List<SpeechSegment> _segments = [];
    private readonly long _origin;

    /// <summary>Voice that had begun before the call was resumed.</summary>
    private SpeechSegment? _resumed;

    private long _toldUntil;
    private bool _ended;

    // Mean square of each tick that has not been taken yet; the first one's number, and what the next is made of.
    private readonly Queue<double> _powers = new();
    private long _firstTick;
    private double _energy;
    private long _energyFrom;

    /// <summary>Encoded samples of this channel from <see cref="_bytesFrom"/> on.</summary>
    private byte[] _bytes = [];
    private int _byteCount;
    private long _bytesFrom;

    /// <param name="plan">Of the call.</param>
    /// <param name="keeps">Whether windows are going to be asked for.</param>
    /// <param name="state">Where the channel stood.</param>
    /// <param name="origin">The sample that comes next.</param>
    /// <param name="tick">The tick that is to be taken next.</param>
    public CallChannel(CallPlan plan, bool keeps, ChannelState state, long origin, long tick)
    {
        (_plan, _keeps, _origin) = (plan, keeps, origin);
        _voice = new VoiceActivityDetector(plan.Rate);
        Received = _bytesFrom = _energyFrom = origin;
        _firstTick = origin * Conversation.Rate / plan.Rate;
        _toldUntil = state.ToldUntil;
        NextWindow = state.NextWindow;
        for (var i = 0; i + 1 < state.Segments.Count; i += 2)
            _segments.Add(new(state.Segments[i], state.Segments[i + 1]));
        if (state.Open >= 0)
        {
            _resumed = new(state.Open, Boundary(tick));
            _segments.Add(_resumed.Value);
        }
    }

    /// <summary>Samples so far, since the call began.</summary>
    public long Received { get; private set; }

    /// <summary>Index of the next window.</summary>
    public long NextWindow { get; set; }

    /// <summary>Up to here it is known who speaks.</summary>
    public long KnownUntil => _ended ? long.MaxValue : _origin + _voice.KnownUntil;

    /// <summary>Takes samples of this channel, and the segments of voice that have ended in them.</summary>
    public void Take(ReadOnlySpan<float> samples, ReadOnlySpan<byte> encoded, int stride, ICollection<SpeechSegment> told)
    {
        _voice.Process(samples, _found);
        Tell(told);
        Measure(samples);
        Received += samples.Length;
        if (_keeps)
            Keep(encoded, stride, samples.Length);
    }

    /// <summary>Nothing follows: all voice is known.</summary>
    public void End(ICollection<SpeechSegment> told)
    {
        _voice.Flush(_found);
        Tell(told);
        _ended = true;
    }

    /// <summary>Whether somebody speaks between two samples.</summary>
    public bool Speaks(long from, long to)
    {
        foreach (var segment in _segments)
            if (segment.Start < to && segment.End > from)
                return true;
        return Open is { } open && open.Start < to && open.End > from;
    }

    /// <summary>Whether voice reaches into a window of samples at 22,050 Hz; null where that is not known yet.</summary>
    public bool? SpeaksIn(long start, int length)
    {
        // The bounds of segments are rounded as those of clips are.
        foreach (var segment in _segments)
            if (At22050(segment.Start) < start + length && At22050(segment.End) > start)
                return true;
        if (Open is { } open && At22050(open.Start) < start + length && At22050(open.End) > start)
            return true;
        return _ended || At22050(KnownUntil) >= start + length ? false : null;
    }

    /// <summary>The mean square of the next tick, which is taken.</summary>
    public double TakeTick(long tick)
    {
        // Ticks from before the call was resumed were counted then.
        while (_firstTick < tick && _powers.Count > 0)
            Next();
        return _firstTick == tick && _powers.Count > 0 ? Next() : 0;

        double Next()
        {
            _firstTick++;
            return _powers.Dequeue();
        }
    }

    /// <summary>The encoded samples around a window, and the first one's number.</summary>
    public (ByteString Bytes, long First) Around(long start, int length)
    {
        var (from, to) = (FirstNeeded(start), Math.Min(Received, LastNeeded(start + length)));
        from = Math.Max(from, _bytesFrom);
        var width = _plan.Encoding.Width();
        return (ByteString.CopyFrom(_bytes.AsSpan((int)(from - _bytesFrom) * width, (int)Math.Max(0, to - from) * width)), from);
    }

    /// <summary>The first sample of the call that a window needs.</summary>
    public long FirstNeeded(long start) => Math.Max(0, (start * _plan.Rate / FeatureExtractor.SampleRate) - Reach);

    /// <summary>The sample behind the last one that a window needs.</summary>
    public long LastNeeded(long end) => (end * _plan.Rate / FeatureExtractor.SampleRate) + Reach + 1;

    /// <summary>Forgets what neither ticks from here on nor windows from here on ask for.</summary>
    public void Forget(long tick, long window)
    {
        var needed = _keeps ? FirstNeeded(window) : long.MaxValue;
        var old = Math.Min(Boundary(tick), needed);
        _segments.RemoveAll(segment => segment.End <= old);
        if (!_keeps || needed <= _bytesFrom)
            return;
        var width = _plan.Encoding.Width();
        var dropped = (int)Math.Min(needed - _bytesFrom, _byteCount / width);
        Buffer.BlockCopy(_bytes, dropped * width, _bytes, 0, _byteCount - (dropped * width));
        _byteCount -= dropped * width;
        _bytesFrom += dropped;
    }

    /// <summary>All but the time line, which is not known here.</summary>
    public ChannelState Save()
    {
        var state = new ChannelState { Open = Open?.Start ?? -1, ToldUntil = _toldUntil, NextWindow = NextWindow };
        foreach (var segment in _segments)
            state.Segments.Add([segment.Start, segment.End]);
        return state;
    }

    /// <summary>The first sample of a tick.</summary>
    private long Boundary(long tick) => tick * _plan.Rate / Conversation.Rate;

    /// <summary>What the resampler looks further than a window: 25 ms are more than enough at every rate.</summary>
    private int Reach => _plan.Rate / 40;

    private long At22050(long sample) => sample == long.MaxValue ? sample : sample * FeatureExtractor.SampleRate / _plan.Rate;

    private SpeechSegment? Open => _ended || _voice.Open is not { } open ? null : Continued(new(_origin + open.Start, _origin + open.End));

    /// <summary>A detector that starts anew in the midst of speech finds its beginning there.</summary>
    private SpeechSegment Continued(SpeechSegment segment) =>
        _resumed is { } before && segment.Start <= before.End ? segment with { Start = Math.Min(segment.Start, before.Start) } : segment;

    private void Tell(ICollection<SpeechSegment> told)
    {
        foreach (var segment in _found)
        {
            var whole = Continued(new(_origin + segment.Start, _origin + segment.End));
            _segments.Add(whole);
            // What was told before the call was resumed is found again on the way to where it stood.
            if (whole.End <= _toldUntil)
                continue;
            told.Add(whole with { Start = Math.Max(whole.Start, _toldUntil) });
            _toldUntil = whole.End;
        }
        _found.Clear();
    }

    private void Measure(ReadOnlySpan<float> samples)
    {
        var at = Received;
        while (!samples.IsEmpty)
        {
            var tick = _firstTick + _powers.Count;
            var end = Boundary(tick + 1);
            var part = samples[..(int)Math.Min(end - at, samples.Length)];
            foreach (var sample in part)
                _energy += sample * sample;
            samples = samples[part.Length..];
            at += part.Length;
            if (at < end)
                continue;
            _powers.Enqueue(_energy / (end - _energyFrom));
            (_energy, _energyFrom) = (0, end);
        }
    }

    private void Keep(ReadOnlySpan<byte> encoded, int stride, int samples)
    {
        var width = _plan.Encoding.Width();
        var needed = _byteCount + (samples * width);
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, needed + (needed / 4));
        var target = _bytes.AsSpan(_byteCount);
        if (stride == width)
            encoded[..(samples * width)].CopyTo(target);
        else
            for (var i = 0; i < samples; i++)
                encoded.Slice(i * stride, width).CopyTo(target[(i * width)..]);
        _byteCount = needed;
    }
}
