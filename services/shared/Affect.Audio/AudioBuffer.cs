using System.Runtime.InteropServices;

namespace Affect.Audio;

/// <summary>Decoded audio: one or more channels of equal length, samples finite and in [-1, 1].</summary>
public sealed class AudioBuffer
{
    private readonly float[][] _channels;

    /// <summary>Takes ownership of <paramref name="channels"/>.</summary>
    /// <param name="channels">At least one channel, all of the same length.</param>
    /// <param name="sampleRate">In hertz, positive.</param>
    public AudioBuffer(float[][] channels, int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfZero(channels.Length, nameof(channels));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleRate);
        if (Array.Exists(channels, channel => channel.Length != channels[0].Length))
            throw new ArgumentException("Channels must have the same length.", nameof(channels));

        _channels = channels;
        SampleRate = sampleRate;
    }

    /// <summary>Samples per second of each channel, in hertz.</summary>
    public int SampleRate { get; }

    public int ChannelCount => _channels.Length;

    /// <summary>Samples in each channel.</summary>
    public int Length => _channels[0].Length;

    public TimeSpan Duration => TimeSpan.FromSeconds((double)Length / SampleRate);

    /// <summary>Samples of a channel; 0 is the left one.</summary>
    public ReadOnlySpan<float> Channel(int index) => _channels[index];

    /// <summary>
    /// Samples of a channel at another rate. A rate that is not higher overwrites the samples of the channel.
    /// </summary>
    public ReadOnlyMemory<float> Resample(int index, int rate) => rate <= SampleRate
        ? Resampler.ResampleInPlace(_channels[index], SampleRate, rate)
        : Resampler.Resample(_channels[index], SampleRate, rate);

    /// <summary>The first channel with the same samples as a channel.</summary>
    public int FirstEqual(int channel)
    {
        var bytes = MemoryMarshal.AsBytes(Channel(channel));
        var first = 0;
        while (first < channel && !MemoryMarshal.AsBytes(Channel(first)).SequenceEqual(bytes))
            first++;
        return first;
    }

    /// <summary>The mean of all channels; a single channel is returned without copying.</summary>
    public float[] ToMono()
    {
        if (_channels.Length == 1)
            return _channels[0];

        var mono = new float[Length];
        var scale = 1f / _channels.Length;
        foreach (var channel in _channels)
        {
            for (var i = 0; i < mono.Length; i++)
                mono[i] += channel[i] * scale;
        }

        return mono;
    }
}
