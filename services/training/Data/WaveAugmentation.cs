using System.Numerics.Tensors;
using Affect.Audio;
using NWaves.Filters.Base;
using NWaves.Filters.BiQuad;
using NWaves.Operations.Tsm;
using NWaves.Signals;
using NWaves.Transforms;

namespace Affect.Training.Data;

/// <summary>
/// Varies voice, microphone, room, background and channel of a recording at 16 kHz. A quarter of the windows vary in level and position
/// only; the others have one to three of the six variations. The result depends only on the arguments; thread-safe.
/// </summary>
internal static class WaveAugmentation
{
    private const int Rate = WhisperLogMel.SampleRate, TelephoneRate = 8000;

    /// <summary>Pitch ratios in twentieths, 0.85 to 1.2: rates with a common divisor, so that few filters suffice.</summary>
    private static readonly int[] Pitches = [17, 18, 19, 21, 22, 23, 24];

    // Applied in this order, which is the order of a recording.
    private static readonly Variation[] Variations = Enum.GetValues<Variation>();

    [ThreadStatic]
    private static Dictionary<int, RealFft>? _transforms;

    private enum Variation
    {
        Voice,
        Room,
        Noise,
        Babble,
        Equalizer,
        Channel,
    }

    /// <summary>Varies a recording and cuts a window.</summary>
    /// <param name="random">Random source.</param>
    /// <param name="sound">Samples at 16 kHz.</param>
    /// <param name="length">Samples of the window. A shorter recording is padded with zeros at the end, or on both sides.</param>
    /// <param name="voice">Returns the recording of another speaker at 16 kHz, for babble.</param>
    public static float[] Vary(Random random, ReadOnlySpan<float> sound, int length, Func<Random, float[]> voice)
    {
        var variations = Draw(random);
        var varied = variations.Contains(Variation.Voice) ? Voice(random, sound, length) : Cut(random, sound, length);
        var power = Power(varied);
        var window = new float[length];
        var start = random.Next(2) == 0 ? 0 : random.Next(length - varied.Length + 1);
        // Files end with the recording and are padded with silence, calls have room and background all the time.
        var padded = random.Next(2) == 0;
        if (padded)
        {
            varied.CopyTo(window, start);
            varied = window;
        }

        if (variations.Contains(Variation.Room))
            varied = Room(random, varied);
        if (variations.Contains(Variation.Noise))
            Add(varied, Noise(random, varied.Length), power, random.NextSingle(0, 20));
        if (variations.Contains(Variation.Babble))
            Add(varied, Babble(random, varied.Length, voice), power, random.NextSingle(0, 20));
        if (variations.Contains(Variation.Equalizer))
            varied = Equalize(random, varied);
        var coded = variations.Contains(Variation.Channel);
        // Codes of 8 bits have too few steps for sound at the lower levels.
        Amplify(random, varied, lowest: coded ? -15 : -30);
        if (coded)
            varied = Channel(random, varied);
        var offset = random.Next(4) == 0 ? random.NextSingle(-0.1f, 0.1f) : 0;
        for (var i = 0; i < varied.Length; i++)
            varied[i] = Math.Clamp(MathF.Round((varied[i] + offset) * 32768), short.MinValue, short.MaxValue) / 32768;
        if (padded)
            return varied;
        varied.CopyTo(window, start);
        return window;
    }

    /// <summary>Changes the speed, and with it the pitch, without aliasing.</summary>
    /// <param name="sound">Samples.</param>
    /// <param name="speed">Speed in units of 1/<paramref name="steps"/>.</param>
    /// <param name="steps">A divisor of <paramref name="rate"/>.</param>
    /// <param name="rate">Sample rate in hertz.</param>
    public static float[] ChangeSpeed(ReadOnlySpan<float> sound, int speed, int steps, int rate) =>
        Resampler.Resample(sound, rate / steps * speed, rate);

    // None for a quarter of the windows.
    private static HashSet<Variation> Draw(Random random)
    {
        if (random.Next(4) == 0)
            return [];
        var order = Variations.ToArray();
        random.Shuffle(order);
        return [.. order.Take(random.Next(1, 4))];
    }

    // At most `length` samples, from a random position.
    private static float[] Cut(Random random, ReadOnlySpan<float> sound, int length) =>
        sound.Length <= length ? sound.ToArray() : sound.Slice(random.Next(sound.Length - length + 1), length).ToArray();

    // Varies tempo, pitch or both.
    private static float[] Voice(Random random, ReadOnlySpan<float> sound, int length)
    {
        var kind = random.Next(3);
        var pitch = kind == 0 ? 20 : Pitches[random.Next(Pitches.Length)];
        var tempo = kind == 1 ? 1 : MathF.Exp(random.NextSingle(-0.16f, 0.16f));
        return Cut(random, ChangeVoice(Cut(random, sound, (int)(length * tempo) + (Rate / 4)), tempo, pitch), length);
    }

    /// <summary>
    /// Changes tempo and pitch: WSOLA (Verhelst and Roelands 1993) changes the duration, resampling the duration and the pitch.
    /// </summary>
    /// <param name="sound">Samples at 16 kHz.</param>
    /// <param name="tempo">Ratio of the old duration to the new one.</param>
    /// <param name="pitch">Ratio of the new pitch to the old one, in twentieths.</param>
    public static float[] ChangeVoice(float[] sound, float tempo, int pitch)
    {
        // Windows of 32 ms hold two periods of the lowest voice.
        var stretched = new Wsola(pitch / 20.0 / tempo, windowSize: 512, hopAnalysis: 256, maxDelta: 160)
            .ApplyTo(new DiscreteSignal(Rate, sound)).Samples;
        return pitch == 20 ? stretched : ChangeSpeed(stretched, pitch, 20, Rate);
    }

    /// <summary>
    /// Convolves with a simulated room impulse response: direct sound, early reflections within 50 ms, and noise with an exponential
    /// decay (Polack 1988), with 0.2 to 0.8 s to -60 dB and a direct-to-reverberant ratio of -5 to 12 dB.
    /// </summary>
    private static float[] Room(Random random, float[] sound)
    {
        var response = RoomResponse(random, random.NextSingle(0.2f, 0.8f), random.NextSingle(-5, 12));
        var power = Power(sound);
        var heard = Convolve(sound, response);
        Scale(heard, MathF.Sqrt(power / MathF.Max(Power(heard), 1e-12f)));
        return heard;
    }

    /// <summary>A simulated room impulse response at 16 kHz that begins with the direct sound.</summary>
    /// <param name="random">Random source.</param>
    /// <param name="decay">Seconds to -60 dB.</param>
    /// <param name="directRatio">Ratio of direct to reverberant energy in dB.</param>
    public static float[] RoomResponse(Random random, float decay, float directRatio)
    {
        var response = new float[(int)(decay * Rate)];
        float Envelope(int i) => MathF.Exp(-6.908f * i / (decay * Rate)); // ln 10³

        // Walls absorb high frequencies first.
        var (absorption, state) = (random.NextSingle(0, 0.7f), 0f);
        for (var i = Rate / 50; i < response.Length; i++)
        {
            state = absorption * state + (1 - absorption) * Gaussian(random);
            response[i] = state * Envelope(i);
        }

        var late = MathF.Sqrt(Power(response) * response.Length);
        for (var reflections = random.Next(4, 12); reflections > 0; reflections--)
            if (random.Next(Rate / 400, Rate / 20) is var i && i < response.Length)
                response[i] += late * random.NextSingle(-0.5f, 0.5f) * Envelope(i);
        var energy = Power(response) * response.Length;
        Scale(response, MathF.Sqrt(MathF.Pow(10, -directRatio / 10) / energy));
        response[0] = 1;
        return response;
    }

    /// <summary>Convolves and keeps the length.</summary>
    public static float[] Convolve(ReadOnlySpan<float> sound, ReadOnlySpan<float> response)
    {
        var size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(sound.Length + response.Length));
        var transform = Transform(size);
        var (first, second) = (new float[size], new float[size]);
        sound.CopyTo(first);
        response.CopyTo(second);
        var (firstRe, firstIm, secondRe, secondIm) = (new float[size], new float[size], new float[size], new float[size]);
        transform.Direct(first, firstRe, firstIm);
        transform.Direct(second, secondRe, secondIm);
        for (var i = 0; i <= size / 2; i++)
            (firstRe[i], firstIm[i]) = (
                firstRe[i] * secondRe[i] - firstIm[i] * secondIm[i], firstRe[i] * secondIm[i] + firstIm[i] * secondRe[i]);
        transform.Inverse(firstRe, firstIm, first);
        Scale(first, 1f / size);
        return first[..sound.Length];
    }

    /// <summary>White noise for a third; otherwise power falls with frequency by 0 to 6 dB an octave (pink at 3, brown at 6).</summary>
    private static float[] Noise(Random random, int length)
    {
        if (random.Next(3) == 0)
        {
            var white = new float[length];
            foreach (ref var sample in white.AsSpan())
                sample = Gaussian(random);
            return white;
        }

        var slope = random.NextSingle(0, 2);
        var size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)length);
        var (re, im, noise) = (new float[size], new float[size], new float[size]);
        var flat = Math.Max(1, size * 50 / Rate); // below 50 Hz
        for (var i = 1; i < size / 2; i++)
        {
            var amplitude = MathF.Pow(Math.Max(i, flat), -slope / 2);
            (re[i], im[i]) = (random.NextSingle(-amplitude, amplitude), random.NextSingle(-amplitude, amplitude));
        }
        Transform(size).Inverse(re, im, noise);
        return noise[..length];
    }

    // The sum of four to eight voices, each repeated from a random position.
    private static float[] Babble(Random random, int length, Func<Random, float[]> voice)
    {
        var babble = new float[length];
        for (var voices = random.Next(4, 9); voices > 0; voices--)
        {
            var sound = voice(random);
            var gain = MathF.Pow(10, random.NextSingle(-3, 3) / 20) / MathF.Sqrt(MathF.Max(Power(sound), 1e-12f));
            for (int i = 0, at = random.Next(sound.Length); i < length; i++, at = at + 1 == sound.Length ? 0 : at + 1)
                babble[i] += gain * sound[at];
        }
        return babble;
    }

    // One to three filters, as microphones and loudspeakers have.
    private static float[] Equalize(Random random, float[] sound)
    {
        var kinds = random.Next(1, 8);
        if ((kinds & 1) != 0)
            sound = Filter(new LowShelfFilter(random.NextSingle(100, 500) / Rate, 1, random.NextSingle(-12, 12)), sound);
        if ((kinds & 2) != 0)
            sound = Filter(new PeakFilter(
                Logarithmic(random, 300, 4000) / Rate, random.NextSingle(0.5f, 2), random.NextSingle(-10, 10)), sound);
        if ((kinds & 4) != 0)
            sound = Filter(new HighShelfFilter(Logarithmic(random, 1500, 6000) / Rate, 1, random.NextSingle(-12, 12)), sound);
        return sound;
    }

    // Gain from `lowest` to 20 dB; a quarter of the windows that would exceed full scale are clipped.
    private static void Amplify(Random random, Span<float> sound, float lowest)
    {
        var peak = MathF.Max(MathF.Abs(TensorPrimitives.MaxMagnitude(sound)), 1e-6f);
        var gain = MathF.Pow(10, random.NextSingle(lowest, 20) / 20);
        var maximum = random.Next(4) == 0 ? MathF.Pow(10, random.NextSingle(0, 12) / 20) : random.NextSingle(0.7f, 1);
        Scale(sound, MathF.Min(gain, maximum / peak));
        foreach (ref var sample in sound)
            sample = Math.Clamp(sample, -1, 1);
    }

    /// <summary>
    /// A telephone channel: 8 kHz for two thirds, half of these with a band of 300 to 3400 Hz; µ-law, A-law, or modulated noise (ITU-T
    /// P.810), which stands for codecs at low rates.
    /// </summary>
    private static float[] Channel(Random random, float[] sound)
    {
        var rate = random.Next(3) == 0 ? Rate : TelephoneRate;
        var coded = rate == Rate ? sound : Resampler.Resample(sound, Rate, rate);
        if (rate == TelephoneRate && random.Next(2) == 0)
        {
            coded = Filter(new HighPassFilter(300.0 / rate), coded);
            coded = Filter(new LowPassFilter(3400.0 / rate), coded);
        }

        switch (random.Next(5))
        {
            case 0 or 1:
                G711.RoundTripMuLaw(coded);
                break;
            case 2:
                G711.RoundTripALaw(coded);
                break;
            case 3:
                var noise = MathF.Pow(10, -random.NextSingle(10, 25) / 20);
                foreach (ref var sample in coded.AsSpan())
                    sample *= 1 + noise * Gaussian(random);
                break;
        }

        return rate == Rate ? coded : Resampler.Resample(coded, rate, Rate)[..sound.Length];
    }

    private static float[] Filter(IFilter filter, float[] sound) => filter.ApplyTo(new DiscreteSignal(Rate, sound)).Samples;

    // Adds noise at a signal-to-noise ratio in dB.
    private static void Add(Span<float> sound, ReadOnlySpan<float> noise, float power, float ratio)
    {
        var gain = MathF.Sqrt(power * MathF.Pow(10, -ratio / 10) / MathF.Max(Power(noise), 1e-12f));
        TensorPrimitives.MultiplyAdd(noise, gain, sound, sound);
    }

    private static void Scale(Span<float> sound, float factor) => TensorPrimitives.Multiply(sound, factor, sound);

    private static float Power(ReadOnlySpan<float> sound) => TensorPrimitives.SumOfSquares(sound) / Math.Max(1, sound.Length);

    private static float Logarithmic(Random random, float low, float high) =>
        MathF.Exp(random.NextSingle(MathF.Log(low), MathF.Log(high)));

    // Nearly normal with unit variance: the sum of three uniform numbers (Irwin-Hall), each with a variance of 1/3.
    private static float Gaussian(Random random) =>
        2 * (random.NextSingle() + random.NextSingle() + random.NextSingle()) - 3;

    // Transforms have buffers and belong to one thread.
    private static RealFft Transform(int size)
    {
        var transforms = _transforms ??= [];
        if (!transforms.TryGetValue(size, out var transform))
            transforms[size] = transform = new(size);
        return transform;
    }
}
