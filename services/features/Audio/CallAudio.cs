using System.Buffers;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>Format of a call's audio and of the windows that are cut from it. Windows are counted in samples at 22,050 Hz.</summary>
/// <param name="Encoding">Encoding of the interleaved samples.</param>
/// <param name="Rate">In hertz.</param>
/// <param name="Windows">One for each channel: true if the features of its windows are extracted.</param>
/// <param name="Features">Features to extract.</param>
/// <param name="ModelWindow">Length of the windows that the model expects; shorter ones are padded with silence.</param>
/// <param name="Window">Length of a window.</param>
/// <param name="Hop">Distance between the nominal starts of two windows.</param>
internal sealed record CallFormat(
    SampleEncoding Encoding, int Rate, IReadOnlyList<bool> Windows, FeatureSet Features, int ModelWindow, int Window, int Hop)
{
    /// <summary>Bytes of one sample of all channels.</summary>
    public int BlockSize => Windows.Count * Encoding.Width();

    /// <summary>Bytes that are processed together: 0.5 s of one channel, less of several, so that other calls soon have their turn.</summary>
    public int UnitBytes => Math.Max(1, Rate / (2 * Windows.Count)) * BlockSize;

    /// <summary>Silence, in samples at the call's rate, after which voice activity and the windows that follow depend on no sound before it.</summary>
    public long Settled => (long)((CallTiming.WarmUp + SpeechClip.Time(Window + (3 * Hop))).TotalSeconds * Rate) + Rate;
}

/// <summary>The state from which a call continues, given its audio from <paramref name="Position"/> on. In samples at the call's rate.</summary>
/// <param name="Position">First sample that is still needed.</param>
/// <param name="Ticks">Ticks reported so far.</param>
/// <param name="Channels">One for each channel.</param>
internal sealed record CallAudioState(long Position, long Ticks, IReadOnlyList<ChannelAudioState> Channels);

/// <summary>State of one channel.</summary>
/// <param name="Segments">Segments of speech that a future tick or window may overlap.</param>
/// <param name="Open">Start of the segment that has not ended, if any.</param>
/// <param name="ReportedUntil">End of the newest segment reported.</param>
/// <param name="NextWindow">Index of the next window.</param>
internal sealed record ChannelAudioState(IReadOnlyList<SpeechSegment> Segments, long? Open, long ReportedUntil, long NextWindow);

/// <summary>A window that is complete.</summary>
/// <param name="Channel">Index of the channel.</param>
/// <param name="Index">Index of the window within the channel.</param>
/// <param name="Start">First sample at 22,050 Hz.</param>
/// <param name="Length">Samples at 22,050 Hz.</param>
/// <param name="Features">float32, little-endian, [frame][feature]; null if no speech overlaps the window.</param>
internal sealed record CallWindow(int Channel, long Index, long Start, int Length, byte[]? Features);

/// <summary>
/// The audio of a call: bytes become ticks, segments of speech and windows, in the order of time. Each sample is decoded and searched
/// for speech once; frames that windows share are computed once. An instance belongs to one thread at a time.
/// </summary>
internal sealed class CallAudio
{
    /// <summary>Seconds of silence that are counted together.</summary>
    private const int MaxSkip = 10;

    private readonly CallFormat _format;
    private readonly CallChannel[] _channels;
    private readonly List<SpeechSegment> _newSegments = [];
    private bool _complete;

    /// <summary>Samples of silence since the last sound.</summary>
    private long _silence;

    public CallAudio(CallFormat format, CallAudioState? resume = null)
    {
        _format = format;
        Ticks = resume?.Ticks ?? 0;
        _channels = new CallChannel[format.Windows.Count];
        for (var i = 0; i < _channels.Length; i++)
            _channels[i] = new(format, format.Windows[i], resume?.Position ?? 0, Ticks, resume?.Channels[i]);
    }

    /// <summary>Ticks reported so far.</summary>
    public long Ticks { get; private set; }

    // Results since the last Clear, in the order of time.

    /// <summary>For each tick and channel: 1 if speech.</summary>
    public List<byte> Speech { get; } = [];

    /// <summary>For each tick and channel: mean square of the samples.</summary>
    public List<float> Power { get; } = [];

    /// <summary>Segments that have ended, with the index of their channel.</summary>
    public List<(int Channel, SpeechSegment Segment)> Segments { get; } = [];

    public List<CallWindow> Windows { get; } = [];

    /// <summary>True if there is a window, a segment, or 2 s of ticks to report.</summary>
    public bool HasResults => Windows.Count > 0 || Segments.Count > 0 || Speech.Count >= 2 * CallTiming.TickRate * _channels.Length;

    /// <summary>Samples received since the start of the call.</summary>
    private long Received => _channels[0].Received;

    /// <summary>Length of the audio so far at 22,050 Hz, as for a file.</summary>
    private long Resampled => ((Received * FeatureExtractor.SampleRate) + _format.Rate - 1) / _format.Rate;

    /// <summary>Appends whole samples of all channels.</summary>
    /// <exception cref="AudioFormatException">The bytes are not whole samples, or a sample is not finite.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        var (block, width) = (_format.BlockSize, _format.Encoding.Width());
        if (bytes.Length % block != 0)
            throw new AudioFormatException($"must be whole samples of {block} bytes");
        _silence = 0;
        // In pieces of 1 s: memory stays bounded, and windows are reported as they become complete.
        var samples = ArrayPool<float>.Shared.Rent(_format.Rate);
        try
        {
            while (!bytes.IsEmpty)
            {
                var count = Math.Min(bytes.Length / block, _format.Rate);
                for (var i = 0; i < _channels.Length; i++)
                {
                    var channel = bytes[(i * width)..];
                    if (!_format.Encoding.TryDecode(channel, block, samples.AsSpan(0, count)))
                        throw new AudioFormatException("must have finite samples");
                    _channels[i].Append(samples.AsSpan(0, count), channel, block, _newSegments);
                    CollectSegments(i);
                }

                bytes = bytes[(count * block)..];
                Advance();
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(samples);
        }
    }

    /// <summary>
    /// Appends silence, with the same result as if it were decoded: at most the number of samples, and as many as are processed together.
    /// Once the channels have settled, seconds of it are only counted.
    /// </summary>
    /// <returns>Number of samples appended.</returns>
    public long AppendSilence(long samples)
    {
        var silence = _silence;
        var seconds = silence < _format.Settled ? 0 : (int)Math.Min(samples / _format.Rate, MaxSkip);
        if (seconds > 0)
        {
            samples = (long)seconds * _format.Rate;
            foreach (var channel in _channels)
                channel.Skip(seconds);
            Advance();
        }
        else
        {
            samples = Math.Min(samples, _format.UnitBytes / _format.BlockSize);
            var bytes = new byte[samples * _format.BlockSize];
            Array.Fill(bytes, _format.Encoding.Silence());
            Append(bytes);
        }

        _silence = silence + samples;
        return samples;
    }

    /// <summary>Ends the call: the last windows become complete.</summary>
    public void End()
    {
        _complete = true;
        for (var i = 0; i < _channels.Length; i++)
        {
            _channels[i].End(_newSegments);
            CollectSegments(i);
        }

        Advance();
    }

    /// <summary>The state after the results so far.</summary>
    public CallAudioState Save()
    {
        var needed = CallTiming.FirstSample(Ticks, _format.Rate);
        for (var i = 0; i < _channels.Length; i++)
            if (_format.Windows[i])
                needed = Math.Min(needed, CallTiming.FirstNeeded(EarliestStart(_channels[i]), _format.Rate));
        needed = Math.Max(0, needed - (long)(CallTiming.WarmUp.TotalSeconds * _format.Rate));
        return new(needed, Ticks, [.. _channels.Select(channel => channel.Save())]);
    }

    /// <summary>Clears the results.</summary>
    public void Clear()
    {
        Speech.Clear();
        Power.Clear();
        Segments.Clear();
        Windows.Clear();
    }

    private void CollectSegments(int channel)
    {
        foreach (var segment in _newSegments)
            Segments.Add((channel, segment));
        _newSegments.Clear();
    }

    private void Advance()
    {
        ReportTicks();
        for (var i = 0; i < _channels.Length; i++)
        {
            var channel = _channels[i];
            while (_format.Windows[i] && Next(channel) is { } window && channel.HasSpeech(window.Start, window.Length) is { } speech)
                Windows.Add(new(i, channel.NextWindow++, window.Start, window.Length, speech ? channel.Extract(window.Start, window.Length) : null));
            channel.Forget(Ticks, EarliestStart(channel));
        }
    }

    /// <summary>Start of the earliest window that may follow: the last window of a call starts up to one hop before its nominal start.</summary>
    private long EarliestStart(CallChannel channel) => Windowing.Start(Math.Max(0, channel.NextWindow - 1), _format.Hop);

    /// <summary>The next window whose audio is complete; the same windows as <see cref="Windowing.Over"/> cuts from a file.</summary>
    private (long Start, int Length)? Next(CallChannel channel)
    {
        if (_complete && Resampled < Windowing.MinLength)
            return null;
        var next = Windowing.At(channel.NextWindow, Resampled, _complete, _format.Window, _format.Hop);
        // The resampler reads samples beyond the window.
        return next is { } window && (_complete || Received >= CallTiming.EndNeeded(window.Start + window.Length, _format.Rate)) ? window : null;
    }

    /// <summary>Reports the ticks whose voice activity is known.</summary>
    private void ReportTicks()
    {
        var known = Received;
        foreach (var channel in _channels)
            known = Math.Min(known, channel.KnownUntil);
        for (; CallTiming.FirstSample(Ticks + 1, _format.Rate) <= known; Ticks++)
            foreach (var channel in _channels)
            {
                Speech.Add((byte)(channel.HasSpeechBetween(CallTiming.FirstSample(Ticks, _format.Rate), CallTiming.FirstSample(Ticks + 1, _format.Rate)) ? 1 : 0));
                Power.Add((float)channel.DequeuePower(Ticks));
            }
    }
}
