using Affect.Audio;
using Affect.Training.Data;

namespace Affect.Training.Evaluation;

/// <summary>A channel condition of the test audio: narrow band, µ-law or both.</summary>
/// <param name="Name">Name in the metrics; null for clean audio.</param>
/// <param name="NarrowBand">True to resample to 8 kHz and back.</param>
/// <param name="MuLaw">True to encode as µ-law (ITU-T G.711) at the recorded level.</param>
internal sealed record Condition(string? Name, bool NarrowBand, bool MuLaw)
{
    private const int TelephoneRate = 8000;

    /// <summary>The conditions of the evaluation of speech models; the first one is clean.</summary>
    public static IReadOnlyList<Condition> All { get; } =
        [new(null, false, false), new("8 kHz", true, false), new("µ-law", false, true), new("8 kHz, µ-law", true, true)];

    /// <summary>Condition of face metrics: the test images that are not duplicates of training images.</summary>
    public const string WithoutDuplicates = "without duplicates of Training";

    /// <summary>Applies the condition to whole clips, before windows are cut.</summary>
    public SpeechWindows ApplyTo(SpeechWindows clips) => NarrowBand || MuLaw ? clips.Transform(Apply) : clips;

    /// <summary>Applies the condition to a clip.</summary>
    /// <param name="clip">Samples at 22,050 Hz.</param>
    /// <returns>The same number of samples.</returns>
    public short[] Apply(ReadOnlyMemory<short> clip)
    {
        var sound = new float[clip.Length];
        for (var i = 0; i < sound.Length; i++)
            sound[i] = clip.Span[i] / 32768f;
        if (NarrowBand)
            sound = Resampler.Resample(sound, FeatureExtractor.SampleRate, TelephoneRate);
        if (MuLaw)
            G711.RoundTripMuLaw(sound);
        if (NarrowBand)
            sound = Resampler.Resample(sound, TelephoneRate, FeatureExtractor.SampleRate);
        return Array.ConvertAll(
            sound[..clip.Length], sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
    }
}
