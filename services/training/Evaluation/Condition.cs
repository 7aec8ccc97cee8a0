using Affect.Audio;
using Affect.Training.Data;

namespace Affect.Training.Evaluation;

/// <summary>What happens to a voice before a model hears it: a telephone's narrow band, its codec, or both.</summary>
/// <param name="Name">As figures call it; null is the voice as it was recorded.</param>
/// <param name="NarrowBand">Sampled at 8 kHz and back.</param>
/// <param name="MuLaw">Sent through µ-law (ITU-T G.711), at the level it was recorded.</param>
internal sealed record Condition(string? Name, bool NarrowBand, bool MuLaw)
{
    private const int TelephoneRate = 8000;

    /// <summary>The conditions that every speech model is measured under; the first is the voice as it was recorded.</summary>
    public static IReadOnlyList<Condition> All { get; } =
        [new(null, false, false), new("8 kHz", true, false), new("µ-law", false, true), new("8 kHz, µ-law", true, true)];

    /// <summary>What faces are measured without, besides as they come: those that a model may know by heart.</summary>
    public const string NoneRepeated = "none that Training holds too";

    /// <summary>The same clips, each as a whole, at the other end of the line.</summary>
    public SpeechWindows Of(SpeechWindows clips) => NarrowBand || MuLaw ? clips.Through(Apply) : clips;

    /// <summary>Sends a clip over the line.</summary>
    /// <param name="clip">Samples at 22,050 Hz.</param>
    /// <returns>As many.</returns>
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
        return Array.ConvertAll(sound[..clip.Length], sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
    }
}
