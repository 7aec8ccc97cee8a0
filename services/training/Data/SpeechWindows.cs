using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// One window per clip: the loudest one or, with augmentation, a random one. Shorter clips are padded with zeros at the end, as
/// in the services, or with augmentation also at the start.
/// </summary>
/// <param name="clips">The clips.</param>
/// <param name="length">Number of samples in a window.</param>
/// <param name="features">Features of a window.</param>
/// <param name="cache">True to cache the features of windows without augmentation.</param>
internal sealed class SpeechWindows(IReadOnlyList<SpeechClip> clips, int length, FeatureSet features, bool cache = false) : Samples
{
    private const float Rate = FeatureExtractor.SampleRate;
    private readonly float[]?[] _cache = cache ? new float[clips.Count][] : [];

    public override int Count => clips.Count;

    public override Emotion Label(int index) => clips[index].Emotion;

    public override string Speaker(int index) => clips[index].Speaker;

    public override int? AuxiliaryLabel(int index) => SpeechCorpora.AuxiliaryLabel(clips[index].Id);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var useCache = cache && augmentation is null;
        if (useCache && _cache[index] is { } cached)
        {
            cached.CopyTo(destination);
            return;
        }
        var clip = clips[index].Samples.Span;
        var window = new float[length];
        if (augmentation is { } change)
            Augment(clip, change, window);
        else
            Cut(clip, Loudest(clip), window);
        FeatureExtractor.Extract(window, features, destination);
        if (useCache)
            _cache[index] = destination.ToArray();
    }

    /// <summary>
    /// The windows that the services score: those of <see cref="Windowing.Over"/> that contain voice. Clips without any voice, which
    /// the services answer with NO_SPEECH, use all windows, so that metrics include every clip.
    /// </summary>
    public override IEnumerable<float[]> Windows(int index)
    {
        var clip = new float[clips[index].Samples.Length];
        Cut(clips[index].Samples.Span, 0, clip);
        var voice = VoiceActivityDetector.Detect(clip, FeatureExtractor.SampleRate);
        var all = Windowing.Over(clip.Length, length);
        var voiced = all.Where(window => voice.Any(segment => segment.Start < window.Start + length && segment.End > window.Start)).ToList();
        foreach (var (start, count) in voiced.Count > 0 ? voiced : all)
        {
            var window = new float[length];
            clip.AsSpan(start, count).CopyTo(window);
            var values = new float[FeatureExtractor.FrameCount(length) * FeatureExtractor.FeatureCount(features)];
            FeatureExtractor.Extract(window, features, values);
            yield return values;
        }
    }

    /// <summary>The clips with transformed audio.</summary>
    /// <param name="transform">Maps a clip, of all clips, to the same number of samples.</param>
    public SpeechWindows Transform(Func<SpeechClip, IReadOnlyList<SpeechClip>, short[]> transform) =>
        new([.. clips.Select(clip => clip with { Samples = transform(clip, clips) })], length, features);

    public override ReadOnlySpan<byte> Content(int index) => MemoryMarshal.AsBytes(clips[index].Samples.Span);

    // Copies a part of a clip; beyond the end of the clip the window stays zero.
    private static void Cut(ReadOnlySpan<short> clip, int start, Span<float> window)
    {
        for (var i = 0; i < Math.Min(window.Length, clip.Length - start); i++)
            window[i] = clip[start + i] / 32768f;
    }

    // Start of the window with the highest energy, in steps of 0.1 s.
    private int Loudest(ReadOnlySpan<short> clip)
    {
        const int Step = (int)Rate / 10;
        var (maximum, loudest) = (-1.0, 0);
        for (var start = 0; start == 0 || start + length <= clip.Length; start += Step)
        {
            var energy = 0.0;
            for (var i = start; i < Math.Min(start + length, clip.Length); i += 4)
                energy += (double)clip[i] * clip[i];
            if (energy > maximum)
                (maximum, loudest) = (energy, start);
        }
        return loudest;
    }

    // Speed perturbation of up to 12 %, position, gain, noise, telephone channel; weak: position and gain.
    private void Augment(ReadOnlySpan<short> clip, Augmentation augmentation, Span<float> window)
    {
        var (random, weak) = augmentation;
        var sound = new float[clip.Length];
        for (var i = 0; i < sound.Length; i++)
            sound[i] = clip[i] / 32768f;
        if (!weak && random.Next(2) == 0)
            sound = WaveAugmentation.ChangeSpeed(sound, random.Next(22, 29), 25, FeatureExtractor.SampleRate);
        var room = sound.Length - length;
        // Positive: start of the window in the clip. Negative: silence before the clip.
        var start = room > 0 ? random.Next(room) : random.Next(2) == 0 ? 0 : -random.Next(1 - room);
        sound.AsSpan(Math.Max(0, start), Math.Min(sound.Length, length)).CopyTo(window[Math.Max(0, -start)..]);

        // Half of the clips keep their level, because loudness is informative where levels are comparable.
        var gain = random.Next(2) == 0 ? 1 : MathF.Pow(10, random.NextSingle(-10, 6) / 20);
        foreach (ref var sample in window)
            sample = Math.Clamp(sample * gain, -1, 1);
        if (!weak && random.Next(4) == 0)
            AddNoise(random, window);
        if (!weak && random.Next(7) == 0)
            Telephone(random, window);
    }

    // White or low-pass filtered noise, at a signal-to-noise ratio of 10 to 40 dB.
    private static void AddNoise(Random random, Span<float> window)
    {
        var power = 0.0;
        foreach (var sample in window)
            power += sample * sample;
        // Uniform noise in [-1, 1] has a variance of 1/3.
        var level = MathF.Sqrt((float)(power / window.Length) * 3) * MathF.Pow(10, -random.NextSingle(10, 40) / 20);
        var smooth = random.Next(2) == 0 ? 0 : random.NextSingle(0.5f, 0.95f);
        var rescale = MathF.Sqrt((1 + smooth) / (1 - smooth)) * level;
        var state = 0f;
        foreach (ref var sample in window)
        {
            state = smooth * state + (1 - smooth) * (2 * random.NextSingle() - 1);
            sample += state * rescale;
        }
    }

    // Resampled to 8 kHz and, with a probability of 1/2, µ-law encoded.
    private static void Telephone(Random random, Span<float> window)
    {
        var narrow = Resampler.Resample(window, (int)Rate, 8000);
        if (random.Next(2) == 0)
            G711.RoundTripMuLaw(narrow);
        var wide = Resampler.Resample(narrow, 8000, (int)Rate);
        wide.AsSpan(0, Math.Min(wide.Length, window.Length)).CopyTo(window);
    }
}
