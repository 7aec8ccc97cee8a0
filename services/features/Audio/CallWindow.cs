using System.Buffers;
using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>A window of a call, out of the samples around it. It equals the one that the whole call would be cut into.</summary>
internal static class CallWindow
{
    /// <summary>Sample rates that calls may have, in hertz.</summary>
    public const int MinRate = 8_000, MaxRate = 48_000;

    /// <summary>Further into a call, which is most of a year at the highest rate, no window lies.</summary>
    public const long MaxSample = 1L << 40;

    /// <param name="audio">One channel.</param>
    /// <param name="encoding">Of <paramref name="audio"/>; bytes behind its last whole sample are left out.</param>
    /// <param name="rate">Of <paramref name="audio"/>, in hertz.</param>
    /// <param name="first">Samples of the call in front of <paramref name="audio"/>.</param>
    /// <param name="start">Samples of the call in front of the window, at <see cref="FeatureExtractor.SampleRate"/>.</param>
    /// <param name="length">Samples of the window at this rate.</param>
    /// <param name="window">Length of the model's windows; silence fills what is missing.</param>
    /// <param name="set">What to compute.</param>
    /// <exception cref="AudioFormatException">A sample is no finite number.</exception>
    public static float[] Extract(
        ReadOnlySpan<byte> audio, SampleEncoding encoding, int rate, long first, long start, int length, TimeSpan window, FeatureSet set)
    {
        var inputLength = audio.Length / encoding.Width();
        var windowLength = SpeechClip.Samples(window);
        // Rented: arrays of this size would each be the large object heap's, and a collection of all generations soon after.
        var rented = ArrayPool<float>.Shared.Rent(inputLength + windowLength);
        try
        {
            var input = rented.AsSpan(0, inputLength);
            if (!encoding.TryDecode(audio, encoding.Width(), input))
                throw new AudioFormatException("The samples must be finite.");

            var samples = rented.AsSpan(inputLength, windowLength);
            Resampler.ResamplePart(input, first, rate, FeatureExtractor.SampleRate, start, samples[..length]);
            samples[length..].Clear();
            var features = new float[FeatureExtractor.FrameCount(windowLength) * FeatureExtractor.FeatureCount(set)];
            FeatureExtractor.Extract(samples, set, features);
            return features;
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }
}
