using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>
/// One channel of a call: its segments of speech, the power of each tick, and the encoded audio that future windows need. Samples are
/// counted at the call's own rate, windows at 22,050 Hz.
/// </summary>
internal sealed class CallChannel
{
    private readonly CallFormat _format;
    private readonly SlidingFeatureExtractor? _features;
    private readonly VoiceActivityDetector _detector;
    private readonly List<SpeechSegment> _found = [];
    private readonly List<SpeechSegment> _segments = [];

    /// <summary>Index of the detector's first sample. <see cref="Skip"/> moves it.</summary>
    private long _origin;

    /// <summary>The part of the open segment that lies before the position at which the call continues.</summary>
    private readonly SpeechSegment? _resumed;

    private long _reportedUntil;
    private bool _complete;

    // Mean squares of the complete ticks that have not been dequeued; index of the first; energy and start of the incomplete tick.
    private readonly Queue<double> _powers = new();
    private long _firstTick;
    private double _energy;
    private long _energyFrom;

    // Encoded samples of this channel from _bytesFrom on. Encoded audio takes a fraction of the memory of decoded or resampled audio.
    private byte[] _bytes = [];
    private int _byteCount;
    private long _bytesFrom;

    /// <param name="format">Format of the call.</param>
    /// <param name="windows">True if the features of windows are extracted.</param>
    /// <param name="origin">Index of the sample that follows.</param>
    /// <param name="tick">Index of the tick that follows.</param>
    /// <param name="resume">State in which the channel continues; null at the start of a call.</param>
    public CallChannel(CallFormat format, bool windows, long origin, long tick, ChannelAudioState? resume)
    {
        (_format, _origin) = (format, origin);
        _features = windows ? new(format.Features, format.ModelWindow) : null;
        _detector = new VoiceActivityDetector(format.Rate);
        Received = _bytesFrom = _energyFrom = origin;
        _firstTick = origin * CallTiming.TickRate / format.Rate;
        if (resume is null)
            return;
        _reportedUntil = resume.ReportedUntil;
        NextWindow = resume.NextWindow;
        _segments.AddRange(resume.Segments);
        if (resume.Open is { } open)
        {
            _resumed = new(open, CallTiming.FirstSample(tick, format.Rate));
            _segments.Add(_resumed.Value);
        }
    }

    /// <summary>Samples received since the start of the call.</summary>
    public long Received { get; private set; }

    /// <summary>Index of the next window.</summary>
    public long NextWindow { get; set; }

    /// <summary>Sample up to which voice activity is known.</summary>
    public long KnownUntil => _complete ? long.MaxValue : _origin + _detector.KnownUntil;

    /// <summary>Appends samples of this channel, and adds the segments of speech that have ended to <paramref name="ended"/>.</summary>
    public void Append(ReadOnlySpan<float> samples, ReadOnlySpan<byte> encoded, int stride, ICollection<SpeechSegment> ended)
    {
        _detector.Process(samples, _found);
        Report(ended);
        MeasurePower(samples);
        Received += samples.Length;
        if (_features is not null)
            Buffer(encoded, stride, samples.Length);
    }

    /// <summary>
    /// Appends whole seconds of silence to a channel that has been silent for <see cref="CallFormat.Settled"/>: all that it holds is
    /// silence, and moves to a later time.
    /// </summary>
    public void Skip(int seconds)
    {
        var samples = (long)seconds * _format.Rate;
        (_origin, Received, _energyFrom, _bytesFrom) = (_origin + samples, Received + samples, _energyFrom + samples, _bytesFrom + samples);
        for (var i = 0; i < seconds * CallTiming.TickRate; i++)
            _powers.Enqueue(0);
    }

    /// <summary>Ends the channel: all its segments are known.</summary>
    public void End(ICollection<SpeechSegment> ended)
    {
        _detector.Flush(_found);
        Report(ended);
        _complete = true;
    }

    /// <summary>True if speech overlaps the samples between two indexes.</summary>
    public bool HasSpeechBetween(long from, long to)
    {
        foreach (var segment in _segments)
            if (segment.Start < to && segment.End > from)
                return true;
        return Open is { } open && open.Start < to && open.End > from;
    }

    /// <summary>True if speech overlaps a window of samples at 22,050 Hz; null while that is unknown.</summary>
    public bool? HasSpeech(long start, int length)
    {
        // Rounds the bounds of segments as for files.
        foreach (var segment in _segments)
            if (To22050(segment.Start) < start + length && To22050(segment.End) > start)
                return true;
        if (Open is { } open && To22050(open.Start) < start + length && To22050(open.End) > start)
            return true;
        return _complete || To22050(KnownUntil) >= start + length ? false : null;
    }

    /// <summary>The features of a window: float32, little-endian, [frame][feature].</summary>
    public byte[] Extract(long start, int length)
    {
        var features = GC.AllocateUninitializedArray<byte>(_features!.FeatureLength * sizeof(float));
        _features.Extract(start, length, Resample, MemoryMarshal.Cast<byte, float>(features.AsSpan()));
        return features;
    }

    /// <summary>Removes the mean square of a tick, and returns it.</summary>
    public double DequeuePower(long tick)
    {
        // Ticks before the position at which the call continues have been reported.
        while (_firstTick < tick && _powers.Count > 0)
            Next();
        return _firstTick == tick && _powers.Count > 0 ? Next() : 0;

        double Next()
        {
            _firstTick++;
            return _powers.Dequeue();
        }
    }

    /// <summary>Drops the audio and segments that neither ticks from <paramref name="tick"/> on nor windows from <paramref name="window"/> on need.</summary>
    public void Forget(long tick, long window)
    {
        var needed = _features is null ? long.MaxValue : CallTiming.FirstNeeded(window, _format.Rate);
        var old = Math.Min(CallTiming.FirstSample(tick, _format.Rate), needed);
        _segments.RemoveAll(segment => segment.End <= old);
        if (_features is null || needed <= _bytesFrom)
            return;
        var width = _format.Encoding.Width();
        var dropped = (int)Math.Min(needed - _bytesFrom, _byteCount / width);
        _bytes.AsSpan(dropped * width, _byteCount - (dropped * width)).CopyTo(_bytes);
        _byteCount -= dropped * width;
        _bytesFrom += dropped;
    }

    public ChannelAudioState Save() => new([.. _segments], Open?.Start, _reportedUntil, NextWindow);

    private SpeechSegment? Open => _complete || _detector.Open is not { } open ? null : Join(new(_origin + open.Start, _origin + open.End));

    private long To22050(long sample) => sample == long.MaxValue ? sample : sample * FeatureExtractor.SampleRate / _format.Rate;

    /// <summary>A detector that starts within speech reports a segment from there on: joins the part before.</summary>
    private SpeechSegment Join(SpeechSegment segment) =>
        _resumed is { } before && segment.Start <= before.End ? segment with { Start = Math.Min(segment.Start, before.Start) } : segment;

    private void Report(ICollection<SpeechSegment> ended)
    {
        foreach (var segment in _found)
        {
            var whole = Join(new(_origin + segment.Start, _origin + segment.End));
            _segments.Add(whole);
            // During the warm-up of a resumed call, the detector finds segments that have been reported.
            if (whole.End <= _reportedUntil)
                continue;
            ended.Add(whole with { Start = Math.Max(whole.Start, _reportedUntil) });
            _reportedUntil = whole.End;
        }

        _found.Clear();
    }

    private void MeasurePower(ReadOnlySpan<float> samples)
    {
        var at = Received;
        while (!samples.IsEmpty)
        {
            var end = CallTiming.FirstSample(_firstTick + _powers.Count + 1, _format.Rate);
            var part = samples[..(int)Math.Min(end - at, samples.Length)];
            _energy += Energy(part);
            samples = samples[part.Length..];
            at += part.Length;
            if (at < end)
                continue;
            _powers.Enqueue(_energy / (end - _energyFrom));
            (_energy, _energyFrom) = (0, end);
        }
    }

    private static float Energy(ReadOnlySpan<float> samples)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(samples);
        Vector256<float> sums = default;
        foreach (var vector in vectors)
            sums += vector * vector;
        var energy = Vector256.Sum(sums);
        foreach (var sample in samples[(vectors.Length * Vector256<float>.Count)..])
            energy += sample * sample;
        return energy;
    }

    /// <summary>Copies samples at 22,050 Hz from the buffered audio.</summary>
    private void Resample(long first, Span<float> samples)
    {
        var width = _format.Encoding.Width();
        var from = Math.Max(CallTiming.FirstNeeded(first, _format.Rate), _bytesFrom);
        var count = (int)(Math.Min(Received, CallTiming.EndNeeded(first + samples.Length, _format.Rate)) - from);
        var decoded = ArrayPool<float>.Shared.Rent(count);
        _format.Encoding.TryDecode(_bytes.AsSpan((int)(from - _bytesFrom) * width, count * width), width, decoded.AsSpan(0, count));
        Resampler.ResamplePart(decoded.AsSpan(0, count), from, _format.Rate, FeatureExtractor.SampleRate, first, samples);
        ArrayPool<float>.Shared.Return(decoded);
    }

    private void Buffer(ReadOnlySpan<byte> encoded, int stride, int samples)
    {
        var width = _format.Encoding.Width();
        var needed = _byteCount + (samples * width);
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, needed + (needed / 4));
        var target = _bytes.AsSpan(_byteCount);
        if (stride == width)
            encoded[..(samples * width)].CopyTo(target);
        else if (width == 1)
            for (int i = 0, at = 0; i < samples; i++, at += stride)
                target[i] = encoded[at];
        else
            for (var i = 0; i < samples; i++)
                encoded.Slice(i * stride, width).CopyTo(target[(i * width)..]);
        _byteCount = needed;
    }
}
