using Affect.Audio;

namespace Affect.Features;

/// <summary>A window of a call, out of the samples around it. It equals the one that the whole call would be cut into.</summary>
internal static class CallWindow
{
    /// <summary>Sample rates that calls may have, in hertz.</summary>
    public const int MinRate = 8_000, MaxRate = 48_000;

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
        var input = new float[audio.Length / encoding.Width()];
        if (!encoding.TryDecode(audio, encoding.Width(), input))
            throw new AudioFormatException("The samples must be finite.");

        var samples = new float[SpeechClip.Samples(window)];
        Resampler.ResamplePart(input, first, rate, FeatureExtractor.SampleRate, start, samples.AsSpan(0, length));
        var features = new float[FeatureExtractor.FrameCount(samples.Length) * FeatureExtractor.FeatureCount(set)];
        FeatureExtractor.Extract(samples, set, features);
        return features;
    }
}
