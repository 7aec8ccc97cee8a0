using System.Buffers;

namespace Affect.Audio;

/// <summary>
/// The features of windows that slide along one signal, equal to those that <see cref="FeatureExtractor.Extract"/> computes of each
/// window by itself. Frames that lie inside of two windows are computed once. An instance belongs to one signal and one thread.
/// <see cref="FeatureSet.WhisperLogMel"/> is computed of each window by itself: its frames are not on the same grid.
/// </summary>
/// <param name="set">Features to compute.</param>
/// <param name="length">Samples of a window at 22,050 Hz; shorter windows are padded with zeros.</param>
public sealed class SlidingFeatureExtractor(FeatureSet set, int length)
{
    private const int Hop = FeatureExtractor.HopLength, MelCount = FeatureExtractor.MelCount;
    private const int HalfFrame = FeatureExtractor.FrameLength / 2;

    /// <summary>Frames at the start of a window that reach over its edge, where librosa pads with zeros: they belong to this window alone.</summary>
    private const int LeadingFrames = HalfFrame / Hop;

    private readonly int _frames =
        set == FeatureSet.WhisperLogMel ? WhisperLogMel.FrameCount(WhisperSamples(length)) : FeatureExtractor.FrameCount(length);

    // Of the newest window, allocated by the first: [frame][band] in dB, and the blocks. Frames from LeadingFrames to _validFrames
    // and blocks from 0 to _validBlocks also hold for later windows.
    private float[] _logMel = [];
    private FeatureExtractor.Block[] _blocks = [];
    private long _start;
    private int _validFrames, _validBlocks;

    /// <summary>Copies the samples of the signal from <paramref name="first"/> on, at 22,050 Hz.</summary>
    public delegate void Source(long first, Span<float> samples);

    /// <summary>Values that <see cref="Extract"/> writes.</summary>
    public int FeatureLength => _frames * FeatureExtractor.FeatureCount(set);

    /// <summary>Computes the features of the next window.</summary>
    /// <param name="start">First sample of the window in the signal. On the frame grid (<see cref="Windowing.Start"/>), frames are shared.</param>
    /// <param name="count">Samples of the window, at least one and at most those of a whole window.</param>
    /// <param name="source">The signal; asked only for samples of this window.</param>
    /// <param name="destination">Receives [frame][feature], <see cref="FeatureLength"/> values.</param>
    public void Extract(long start, int count, Source source, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, length);
        if (set == FeatureSet.WhisperLogMel)
        {
            ExtractWhisperLogMel(start, count, source, destination);
            return;
        }

        if (_logMel.Length == 0)
            (_logMel, _blocks) = (new float[_frames * MelCount], new FeatureExtractor.Block[_frames]);
        Slide(start);

        // The frames that are missing need samples from half a frame before their first on; blocks need their predecessor.
        var frame = Math.Max(LeadingFrames, _validFrames);
        var block = _validBlocks;
        var from = Math.Clamp(Math.Min((frame * Hop) - HalfFrame, (block * Hop) - 1), 0, count);
        var samples = ArrayPool<float>.Shared.Rent(length);
        try
        {
            var needed = samples.AsSpan(0, length - from);
            source(start + from, needed[..(count - from)]);
            needed[(count - from)..].Clear();
            FeatureExtractor.LogMel(needed, (frame * Hop) - HalfFrame - from, _logMel.AsSpan(frame * MelCount));
            for (; block < _frames; block++)
                _blocks[block] = FeatureExtractor.Measure(needed, (block * Hop) - from);

            // Leading frames are those of this window's beginning, with zeros in front of it.
            var leading = samples.AsSpan(0, Math.Min(count, HalfFrame + ((LeadingFrames - 1) * Hop)));
            if (from > 0)
                source(start, leading);
            FeatureExtractor.LogMel(leading, -HalfFrame, _logMel.AsSpan(0, Math.Min(LeadingFrames, _frames) * MelCount));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(samples);
        }

        FeatureExtractor.Assemble(_logMel, _blocks, set, destination);
        _validFrames = count < HalfFrame ? 0 : ((count - HalfFrame) / Hop) + 1;
        _validBlocks = count / Hop;
    }

    private static int WhisperSamples(int samples) => (int)Math.Round((double)samples * WhisperLogMel.SampleRate / FeatureExtractor.SampleRate);

    private void ExtractWhisperLogMel(long start, int count, Source source, Span<float> destination)
    {
        var resampled = WhisperSamples(length);
        var samples = ArrayPool<float>.Shared.Rent(length + resampled);
        try
        {
            source(start, samples.AsSpan(0, count));
            samples.AsSpan(count, length - count).Clear();
            var window = samples.AsSpan(length, resampled);
            Resampler.ResamplePart(samples.AsSpan(0, length), 0, FeatureExtractor.SampleRate, WhisperLogMel.SampleRate, 0, window);
            WhisperLogMel.Extract(window, destination);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(samples);
        }
    }

    /// <summary>Moves what the last window shares with the one at <paramref name="start"/> to where that one has it.</summary>
    private void Slide(long start)
    {
        var (shift, rest) = Math.DivRem(start - _start, Hop);
        _start = start;
        if (rest != 0 || shift < 0 || shift >= _frames)
        {
            (_validFrames, _validBlocks) = (0, 0);
            return;
        }

        var blocks = (int)shift;
        _logMel.AsSpan(blocks * MelCount).CopyTo(_logMel);
        _blocks.AsSpan(blocks).CopyTo(_blocks);
        _validFrames = Math.Max(0, _validFrames - blocks);
        _validBlocks = Math.Max(0, _validBlocks - blocks);
    }
}
