using System.Runtime.InteropServices;
using Affect.Audio;
using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>
/// One window of each clip: the loudest as it is, a random one when augmented. Clips that are shorter than
/// a window are padded with zeros, behind (as in the services), or also before when augmented.
/// </summary>
/// <param name="clips">The clips.</param>
/// <param name="length">Samples in a window.</param>
/// <param name="features">What is computed of a window.</param>
/// <param name="keep">Whether features of windows as they are stay in memory once computed, as for a run that sees no others.</param>
internal sealed class SpeechWindows(IReadOnlyList<SpeechClip> clips, int length, FeatureSet features, bool keep = false) : Samples
{
    private const float Rate = FeatureExtractor.SampleRate;
    private readonly float[]?[] _kept = keep ? new float[clips.Count][] : [];

    public override int Count => clips.Count;

    public override Emotion Label(int index) => clips[index].Emotion;

    public override string Speaker(int index) => clips[index].Speaker;

    public override int? Detail(int index) => SpeechCorpora.Detail(clips[index].Id);

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var keeps = keep && augmentation is null;
        if (keeps && _kept[index] is { } kept)
        {
            kept.CopyTo(destination);
            return;
        }
        var clip = clips[index].Samples.Span;
        var window = new float[length];
        if (augmentation is { } change)
            Augment(clip, change, window);
        else
            Cut(clip, Loudest(clip), window);
        FeatureExtractor.Extract(window, features, destination);
        if (keeps)
            _kept[index] = destination.ToArray();
    }

    /// <summary>
    /// The windows that the services judge: one each second, the last one ends with the clip, those without
    /// voice are left out. Where no voice is found, which the services answer with NO_SPEECH, all count, so
    /// that figures are over every clip.
    /// </summary>
    public override IEnumerable<float[]> Windows(int index)
    {
        var clip = new float[clips[index].Samples.Length];
        Cut(clips[index].Samples.Span, 0, clip);
        var voice = VoiceActivityDetector.Detect(clip, FeatureExtractor.SampleRate);
        var last = Math.Max(0, clip.Length - length);
        var starts = Enumerable.Range(0, last / FeatureExtractor.SampleRate + 1).Select(second => second * FeatureExtractor.SampleRate).Append(last).Distinct().ToList();
        var voiced = starts.Where(start => voice.Any(segment => segment.Start < start + length && segment.End > start)).ToList();
        foreach (var start in voiced.Count > 0 ? voiced : starts)
        {
            var window = new float[length];
            clip.AsSpan(start, Math.Min(length, clip.Length - start)).CopyTo(window);
            var values = new float[FeatureExtractor.FrameCount(length) * FeatureExtractor.FeatureCount(features)];
            FeatureExtractor.Extract(window, features, values);
            yield return values;
        }
    }

    /// <summary>The same clips after something has happened to the sound of each.</summary>
    /// <param name="change">From samples at 22,050 Hz to as many.</param>
    public SpeechWindows Through(Func<ReadOnlyMemory<short>, short[]> change) =>
        new([.. clips.Select(clip => clip with { Samples = change(clip.Samples) })], length, features);

    public override ReadOnlySpan<byte> Content(int index) => MemoryMarshal.AsBytes(clips[index].Samples.Span);

    // As much of a clip as the window holds; what is beyond its end stays zero.
    private static void Cut(ReadOnlySpan<short> clip, int start, Span<float> window)
    {
        for (var i = 0; i < Math.Min(window.Length, clip.Length - start); i++)
            window[i] = clip[start + i] / 32768f;
    }

    // Where a window holds the most energy, in steps of a tenth of a second.
    private int Loudest(ReadOnlySpan<short> clip)
    {
        const int Step = (int)Rate / 10;
        var (best, start) = (-1.0, 0);
        for (var from = 0; from == 0 || from + length <= clip.Length; from += Step)
        {
            var energy = 0.0;
            for (var i = from; i < Math.Min(from + length, clip.Length); i += 4)
                energy += (double)clip[i] * clip[i];
            if (energy > best)
                (best, start) = (energy, from);
        }
        return start;
    }

    // Speed and pitch by up to 12 %, place, gain, noise, a telephone line; gentle: place and gain.
    private void Augment(ReadOnlySpan<short> clip, Augmentation augmentation, Span<float> window)
    {
        var (random, gentle) = augmentation;
        var speed = gentle || random.Next(2) == 0 ? 1 : Between(random, 0.88f, 1.12f);
        var duration = (int)(clip.Length / speed);
        var room = duration - length;
        // Positive: where in the clip the window begins. Negative: silence before the clip.
        var start = room > 0 ? random.Next(room) : random.Next(2) == 0 ? 0 : -random.Next(1 - room);
        for (var i = 0; i < length; i++)
        {
            var position = (start + i) * speed;
            if (position < 0 || position >= clip.Length - 1)
                continue;
            var before = (int)position;
            window[i] = (clip[before] + (position - before) * (clip[before + 1] - clip[before])) / 32768f;
        }

        // Every other clip keeps its level, for how loud a voice is says much where levels can be compared.
        var gain = random.Next(2) == 0 ? 1 : MathF.Pow(10, Between(random, -10, 6) / 20);
        foreach (ref var sample in window)
            sample = Math.Clamp(sample * gain, -1, 1);
        if (!gentle && random.Next(4) == 0)
            AddNoise(random, window);
        if (!gentle && random.Next(7) == 0)
            Telephone(random, window);
    }

    // White, or coloured by a first-order low-pass, 10 to 40 dB below the speech.
    private static void AddNoise(Random random, Span<float> window)
    {
        var power = 0.0;
        foreach (var sample in window)
            power += sample * sample;
        // A uniform number from -1 to 1 has a variance of 1/3.
        var level = MathF.Sqrt((float)(power / window.Length) * 3) * MathF.Pow(10, -Between(random, 10, 40) / 20);
        var smooth = random.Next(2) == 0 ? 0 : Between(random, 0.5f, 0.95f);
        var rescale = MathF.Sqrt((1 + smooth) / (1 - smooth)) * level;
        var state = 0f;
        foreach (ref var sample in window)
        {
            state = smooth * state + (1 - smooth) * (2 * random.NextSingle() - 1);
            sample += state * rescale;
        }
    }

    // 8 kHz, every other time through µ-law.
    private static void Telephone(Random random, Span<float> window)
    {
        var narrow = Resampler.Resample(window, (int)Rate, 8000);
        if (random.Next(2) == 0)
            G711.RoundTripMuLaw(narrow);
        var wide = Resampler.Resample(narrow, 8000, (int)Rate);
        wide.AsSpan(0, Math.Min(wide.Length, window.Length)).CopyTo(window);
    }

    private static float Between(Random random, float low, float high) => low + (high - low) * random.NextSingle();
}
