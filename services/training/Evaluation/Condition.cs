using System.Numerics.Tensors;
using Affect.Audio;
using Affect.Training.Data;

namespace Affect.Training.Evaluation;

/// <summary>
/// A condition of the test audio, applied to whole clips before windows are cut. Depends only on the clip, so that models are compared
/// on the same sound.
/// </summary>
/// <param name="Name">Name in the metrics; null for clean audio.</param>
/// <param name="Change">Maps the samples of a clip at 22,050 Hz to the same number of samples, not limited to full scale.</param>
internal sealed record Condition(string? Name, Condition.Transformation? Change = null)
{
    private const int Rate = FeatureExtractor.SampleRate, TelephoneRate = 8000, BabbleVoices = 6;
    private const float NoiseRatio = 10;

    /// <summary>The conditions of the evaluation of speech models; the first one is clean.</summary>
    public static IReadOnlyList<Condition> All { get; } =
    [
        new(Name: null),
        new("8 kHz", (sound, _) => Telephone(sound, muLaw: false)),
        new("µ-law", (sound, _) => MuLaw(sound)),
        new("8 kHz, µ-law", (sound, _) => Telephone(sound, muLaw: true)),
        new("-30 dB", (sound, _) => Scale(sound, Ratio(-30))),
        new("peak -1 dBFS", (sound, _) => ToPeak(sound)),
        new("20 dB, clipped", (sound, _) => Scale(sound, Ratio(20))),
        new("offset 10 %", (sound, _) => Offset(sound)),
        new("white noise 10 dB", (sound, scene) => Add(sound, WhiteNoise(scene.Random, sound.Length))),
        new("babble 10 dB", (sound, scene) => Add(sound, Babble(scene, sound.Length))),
        new("room 0.5 s", (sound, scene) => Room(sound, scene.Random)),
        new("all of these", (sound, scene) =>
        {
            sound = Room(sound, scene.Random);
            sound = Add(Add(sound, Babble(scene, sound.Length)), WhiteNoise(scene.Random, sound.Length));
            return Offset(Telephone(ToPeak(sound), muLaw: true));
        }),
    ];

    /// <summary>Condition of face metrics: the test images that are not duplicates of training images.</summary>
    public const string WithoutDuplicates = "without duplicates of Training";

    /// <summary>Maps the samples of a clip.</summary>
    public delegate float[] Transformation(float[] sound, Scene scene);

    /// <summary>Random source of a clip, the clip, and all test clips: their speakers are unseen as its own speaker is.</summary>
    public sealed record Scene(Random Random, SpeechClip Clip, IReadOnlyList<SpeechClip> Clips)
    {
        /// <summary>A clip of another speaker, or where there is only one of the same speaker.</summary>
        public SpeechClip Other()
        {
            for (var attempt = 0; ; attempt++)
                if (Clips[Random.Next(Clips.Count)] is var clip && (clip.Speaker != Clip.Speaker || attempt == 100))
                    return clip;
        }
    }

    /// <summary>Applies the condition to whole clips, before windows are cut.</summary>
    public SpeechWindows ApplyTo(SpeechWindows clips) => Change is null ? clips : clips.Transform(Apply);

    /// <summary>Applies the condition to a clip.</summary>
    /// <param name="clip">The clip.</param>
    /// <param name="clips">All clips of the test.</param>
    /// <returns>The same number of samples.</returns>
    public short[] Apply(SpeechClip clip, IReadOnlyList<SpeechClip> clips)
    {
        var sound = Sound(clip);
        if (Change is { } change)
            sound = change(sound, new(new(Seeds.Of(clip.Id)), clip, clips));
        return Array.ConvertAll(
            sound, sample => (short)Math.Clamp(MathF.Round(sample * 32768), short.MinValue, short.MaxValue));
    }

    private static float[] Sound(SpeechClip clip)
    {
        var sound = new float[clip.Samples.Length];
        for (var i = 0; i < sound.Length; i++)
            sound[i] = clip.Samples.Span[i] / 32768f;
        return sound;
    }

    private static float[] Telephone(float[] sound, bool muLaw)
    {
        var narrow = Resampler.Resample(sound, Rate, TelephoneRate);
        return Resampler.Resample(muLaw ? MuLaw(narrow) : narrow, TelephoneRate, Rate)[..sound.Length];
    }

    // ITU-T G.711 at the level of the clip.
    private static float[] MuLaw(float[] sound)
    {
        G711.RoundTripMuLaw(sound);
        return sound;
    }

    private static float[] ToPeak(float[] sound) =>
        Scale(sound, Ratio(-1) / MathF.Max(MathF.Abs(TensorPrimitives.MaxMagnitude(sound)), 1e-6f));

    private static float[] Offset(float[] sound)
    {
        TensorPrimitives.Add(sound, 0.1f, sound);
        return sound;
    }

    private static float[] WhiteNoise(Random random, int length)
    {
        var noise = new float[length];
        foreach (ref var sample in noise.AsSpan())
            sample = random.NextSingle(-1, 1);
        return noise;
    }

    // Six voices of equal level, each repeated from a random position.
    private static float[] Babble(Scene scene, int length)
    {
        var babble = new float[length];
        for (var voice = 0; voice < BabbleVoices; voice++)
        {
            var sound = Sound(scene.Other());
            Scale(sound, 1 / MathF.Sqrt(MathF.Max(Power(sound), 1e-12f)));
            for (int i = 0, at = scene.Random.Next(sound.Length); i < length; i++, at = (at + 1) % sound.Length)
                babble[i] += sound[at];
        }
        return babble;
    }

    /// <summary>
    /// A room of 6 × 5 × 3 m with 0.5 s to -60 dB, from the image sources (Allen and Berkley 1979), with a talker 1.5 m from the
    /// microphone, at random. Training uses another model of rooms.
    /// </summary>
    private static float[] Room(float[] sound, Random random)
    {
        var heard = WaveAugmentation.Convolve(sound, RoomResponse(random, 0.5f));
        return Scale(heard, MathF.Sqrt(Power(sound) / MathF.Max(Power(heard), 1e-12f)));
    }

    /// <summary>Impulse response of the room at 22,050 Hz; the direct sound comes first.</summary>
    /// <param name="random">Draws the position of the microphone and the direction of the talker.</param>
    /// <param name="decay">Seconds to -60 dB.</param>
    public static float[] RoomResponse(Random random, float decay)
    {
        const float SpeedOfSound = 343, Distance = 1.5f;
        float[] room = [6, 5, 3];
        // Eyring's formula, for a decay a fifth faster: it assumes a diffuse field, and this room's decays more slowly (T20, by a test).
        var (volume, surface) = (room[0] * room[1] * room[2], 2 * (room[0] * room[1] + room[1] * room[2] + room[0] * room[2]));
        var reflection = MathF.Exp(-0.161f * volume / (surface * decay * 0.81f) / 2);
        var angle = random.NextSingle(0, 2 * MathF.PI);
        float[] microphone = [random.NextSingle(1.8f, 4.2f), random.NextSingle(1.8f, 3.2f), random.NextSingle(1, 1.6f)];
        float[] talker = [microphone[0] + Distance * MathF.Cos(angle), microphone[1] + Distance * MathF.Sin(angle), microphone[2]];

        var response = new float[(int)(decay * Rate)];
        var reach = decay * SpeedOfSound + Distance;
        // Distances along an axis and the reflections on its walls.
        var images = Enumerable.Range(0, 3).Select(axis =>
        {
            var count = (int)(reach / (2 * room[axis])) + 1;
            return Enumerable.Range(-count, (2 * count) + 1).SelectMany(n => Enumerable.Range(0, 2).Select(p => (
                Distance: ((1 - (2 * p)) * talker[axis]) + (2 * n * room[axis]) - microphone[axis],
                Gain: MathF.Pow(reflection, Math.Abs(n - p) + Math.Abs(n))))).ToArray();
        }).ToArray();
        foreach (var x in images[0])
            foreach (var y in images[1])
            {
                var (plane, gain) = ((x.Distance * x.Distance) + (y.Distance * y.Distance), x.Gain * y.Gain);
                if (plane < reach * reach)
                    foreach (var z in images[2])
                    {
                        var distance = MathF.Sqrt(plane + (z.Distance * z.Distance));
                        var at = (int)MathF.Round((distance - Distance) * Rate / SpeedOfSound);
                        if (at < response.Length)
                            response[Math.Max(0, at)] += gain * z.Gain * Distance / distance;
                    }
            }

        // The images have positive gains only, which no room has: a high-pass of 80 Hz removes the sum.
        var (low, step) = (0f, 1 - MathF.Exp(-2 * MathF.PI * 80 / Rate));
        foreach (ref var sample in response.AsSpan())
        {
            low += step * (sample - low);
            sample -= low;
        }
        return response;
    }

    // Adds noise 10 dB below the sound.
    private static float[] Add(float[] sound, float[] noise)
    {
        Scale(noise, MathF.Sqrt(Power(sound) / MathF.Max(Power(noise), 1e-12f)) * Ratio(-NoiseRatio));
        TensorPrimitives.Add(sound, noise, sound);
        return sound;
    }

    private static float[] Scale(float[] sound, float factor)
    {
        TensorPrimitives.Multiply(sound, factor, sound);
        return sound;
    }

    private static float Ratio(float decibels) => MathF.Pow(10, decibels / 20);

    private static float Power(ReadOnlySpan<float> sound) => TensorPrimitives.SumOfSquares(sound) / Math.Max(1, sound.Length);
}
