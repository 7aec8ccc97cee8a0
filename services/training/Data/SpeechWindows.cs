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
/// <param name="file">Features of all clips with augmented versions, or null; not needed for <see cref="Windows"/>.</param>
internal sealed class SpeechWindows(
    IReadOnlyList<SpeechClip> clips, int length, FeatureSet features, bool cache = false, Lazy<FeatureFile>? file = null) : Samples
{
    private const float Rate = FeatureExtractor.SampleRate;
    private readonly int _rate = FeatureRate(features);
    private readonly float[]?[] _cache = cache ? new float[clips.Count][] : [];

    public override int Count => clips.Count;

    /// <summary>Id of a clip.</summary>
    public string Id(int index) => clips[index].Id;

    public override Emotion Label(int index) => clips[index].Emotion;

    public override string Speaker(int index) => clips[index].Speaker;

    public override int? AuxiliaryLabel(int index) => SpeechCorpora.AuxiliaryLabel(clips[index].Id);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        if (file is not null && (augmentation is not null || file.IsValueCreated))
        {
            file.Value.Read(clips[index].Index, augmentation?.Random.Next(file.Value.Versions) ?? 0, destination);
            return;
        }
        var useCache = cache && augmentation is null;
        if (useCache && _cache[index] is { } cached)
        {
            cached.CopyTo(destination);
            return;
        }
        var window = new float[length];
        if (augmentation is { } change)
            Augment(clips[index].Samples.Span, change, window);
        else
            CutLoudest(Sound(clips[index], _rate), _rate, window);
        Extract(window, destination);
        if (useCache)
            _cache[index] = destination.ToArray();
    }

    /// <summary>
    /// The windows that the services score: those of <see cref="Windowing.Over"/> that contain voice. Clips without any voice, which
    /// the services answer with NO_SPEECH, use all windows, so that metrics include every clip.
    /// </summary>
    public override IEnumerable<float[]> Windows(int index)
    {
        var clip = Sound(clips[index], _rate);
        var voice = VoiceActivityDetector.Detect(clip, _rate);
        var all = Windowing.Over(clip.Length, length, _rate);
        var voiced = all.Where(window => voice.Any(segment => segment.Start < window.Start + length && segment.End > window.Start)).ToList();
        foreach (var (start, count) in voiced.Count > 0 ? voiced : all)
        {
            var window = new float[length];
            clip.AsSpan(start, count).CopyTo(window);
            var frames = features == FeatureSet.WhisperLogMel ? WhisperLogMel.FrameCount(length) : FeatureExtractor.FrameCount(length);
            var values = new float[frames * FeatureExtractor.FeatureCount(features)];
            Extract(window, values);
            yield return values;
        }
    }

    /// <summary>The clips with transformed audio.</summary>
    /// <param name="transform">Maps a clip, of all clips, to the same number of samples.</param>
    public SpeechWindows Transform(Func<SpeechClip, IReadOnlyList<SpeechClip>, short[]> transform) =>
        new([.. clips.Select(clip => clip with { Samples = transform(clip, clips) })], length, features);

    public override ReadOnlySpan<byte> Content(int index) => MemoryMarshal.AsBytes(clips[index].Samples.Span);

    /// <summary>Sample rate of the windows of a feature set in hertz.</summary>
    public static int FeatureRate(FeatureSet features) =>
        features == FeatureSet.WhisperLogMel ? WhisperLogMel.SampleRate : FeatureExtractor.SampleRate;

    /// <summary>The audio of a clip at a sample rate.</summary>
    public static float[] Sound(SpeechClip clip, int rate)
    {
        var samples = new float[clip.Samples.Length];
        for (var i = 0; i < samples.Length; i++)
            samples[i] = clip.Samples.Span[i] / 32768f;
        return rate == FeatureExtractor.SampleRate ? samples : Resampler.Resample(samples, FeatureExtractor.SampleRate, rate);
    }

    /// <summary>Copies the part of a sound with the highest energy, in steps of 0.1 s; a shorter one is padded with zeros.</summary>
    public static void CutLoudest(ReadOnlySpan<float> sound, int rate, Span<float> window)
    {
        var (maximum, loudest) = (-1.0, 0);
        for (var start = 0; start == 0 || start + window.Length <= sound.Length; start += rate / 10)
        {
            var energy = 0.0;
            for (var i = start; i < Math.Min(start + window.Length, sound.Length); i += 4)
                energy += (double)sound[i] * sound[i];
            if (energy > maximum)
                (maximum, loudest) = (energy, start);
        }

        var part = sound.Slice(loudest, Math.Min(window.Length, sound.Length - loudest));
        part.CopyTo(window);
        window[part.Length..].Clear();
    }

    private void Extract(ReadOnlySpan<float> window, Span<float> destination)
    {
        if (features == FeatureSet.WhisperLogMel)
            WhisperLogMel.Extract(window, destination);
        else
            FeatureExtractor.Extract(window, features, destination);
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
