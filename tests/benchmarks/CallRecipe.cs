using System.CommandLine;
using Affect.Audio;
using Affect.Testing;

namespace Affect.Benchmarks;

/// <summary>
/// <c>make-calls</c>: makes stereo calls (8 kHz µ-law, customer on channel 0, agent on channel 1) from any folder of speech recordings,
/// with a stated share of the customer's windows holding speech.
/// </summary>
/// <remarks>
/// The customer speaks in turns; between them are pauses of more than one window, in part of which the agent speaks. Speech is cut to
/// where the voice activity detector finds it, brought to the nominal level of telephony, and mixed with a faint line noise. The share
/// is measured on the encoded call, as fusion decides it, and the pauses are adjusted until it is reached. The same seed and corpus
/// make the same calls.
/// </remarks>
internal static class CallRecipe
{
    private const int Rate = 8_000;

    /// <summary>Nominal active speech level of digital telephony (ITU-T P.56, G.101), and the line noise, both in dBFS.</summary>
    private const double SpeechLevel = -26, NoiseLevel = -65;

    /// <summary>Seconds of a call for each pause of the customer.</summary>
    private const double SecondsPerPause = 25;

    private const double WindowSeconds = (double)Windowing.Length / FeatureExtractor.SampleRate;
    private const double HopSeconds = (double)Windowing.DefaultHop / FeatureExtractor.SampleRate;
    private const int MaxAdjustments = 30;

    /// <summary>The share must be reached to this.</summary>
    private const double Tolerance = 0.02;

    private static readonly Option<string> Corpus = new("--corpus") { Description = "Folder of WAV files; the files of one folder are one speaker", Required = true };
    private static readonly Option<string> Out = new("--out") { Description = "Folder to write the calls to", Required = true };
    private static readonly Option<int> Count = new("--count") { Description = "Number of calls", DefaultValueFactory = _ => 8 };
    private static readonly Option<double> Seconds = new("--seconds") { Description = "Length of a call", DefaultValueFactory = _ => 70 };
    private static readonly Option<double> Speech = new("--speech") { Description = "Share of the customer's windows that hold speech, 0 to 1", DefaultValueFactory = _ => 0.8 };
    private static readonly Option<int> Seed = new("--seed") { Description = "Seed of the random choices", DefaultValueFactory = _ => 1 };

    public static Command Create()
    {
        var command = new Command("make-calls", "Makes stereo telephone calls from a folder of speech recordings.") { Corpus, Out, Count, Seconds, Speech, Seed };
        command.SetAction(parsed =>
        {
            var share = Make(
                parsed.GetRequiredValue(Corpus), parsed.GetRequiredValue(Out), parsed.GetValue(Count), parsed.GetValue(Seconds),
                parsed.GetValue(Speech), parsed.GetValue(Seed));
            return Math.Abs(share - parsed.GetValue(Speech)) <= Tolerance ? 0 : 1;
        });
        return command;
    }

    /// <summary>Writes the calls and prints the share of windows with speech of each.</summary>
    /// <returns>The share over all calls.</returns>
    public static double Make(string corpus, string folder, int count, double seconds, double speech, int seed)
    {
        var speakers = Speaker.ReadAll(corpus);
        Directory.CreateDirectory(folder);
        var (windows, withSpeech) = (0, 0);
        for (var i = 0; i < count; i++)
        {
            var customer = speakers[i % speakers.Count];
            var agent = speakers[(i + 1) % speakers.Count];
            // The rounding of one call to whole windows is made up by the next.
            var each = CountWindows(seconds);
            var wanted = (speech * (windows + each)) - withSpeech;
            var call = Adjust(customer, agent, seconds, wanted, HashCode(seed, i));
            windows += call.Windows;
            withSpeech += call.WithSpeech;
            var file = Path.Combine(folder, $"call-{i + 1:00}.wav");
            File.WriteAllBytes(file, call.Wav);
            Console.WriteLine($"{file}: {seconds:0.#} s, {call.WithSpeech} of {call.Windows} windows with speech ({(double)call.WithSpeech / call.Windows:P1})");
        }
        var share = (double)withSpeech / windows;
        Console.WriteLine($"{count} calls: {withSpeech} of {windows} windows with speech ({share:P1}; {speech:P0} requested)");
        return share;
    }

    // Not System.HashCode, whose values differ from process to process.
    private static int HashCode(int seed, int call) => unchecked((seed * 1_000_003) + call);

    private static int CountWindows(double seconds) => Windowing.Over((int)(seconds * FeatureExtractor.SampleRate)).Count;

    /// <summary>Makes one call again and again from the same random choices, each time with longer or shorter pauses, and returns the best.</summary>
    private static Call Adjust(Speaker customer, Speaker agent, double seconds, double wanted, int seed)
    {
        Call? best = null;
        var silence = (CountWindows(seconds) - wanted) * HopSeconds;
        for (var i = 0; i < MaxAdjustments; i++)
        {
            var call = Compose(customer, agent, seconds, silence, new Random(seed));
            var excess = call.WithSpeech - wanted;
            if (best is null || Math.Abs(excess) < Math.Abs(best.WithSpeech - wanted))
                best = call;
            if (Math.Abs(excess) <= 0.5)
                break;
            silence = Math.Max(0, silence + (excess * HopSeconds / 2));
        }
        return best!;
    }

    /// <param name="customer">Speaks outside the pauses.</param>
    /// <param name="agent">Speaks in part of them.</param>
    /// <param name="seconds">Length of the call.</param>
    /// <param name="silence">Seconds by which all pauses together exceed one window each: about one window without speech for each hop of it.</param>
    /// <param name="random">Decides on utterances, turns and pauses.</param>
    private static Call Compose(Speaker customer, Speaker agent, double seconds, double silence, Random random)
    {
        var length = (int)(seconds * Rate);
        float[][] channels = [new float[length], new float[length]];
        var pauses = silence <= 0 ? 0 : Math.Max(1, (int)Math.Round(seconds / SecondsPerPause));
        var turnShares = Shares(pauses + 1, random);
        var pauseShares = Shares(pauses, random);
        var speaking = Math.Max(0, seconds - silence - (pauses * WindowSeconds));
        var at = 0;
        for (var i = 0; i <= pauses; i++)
        {
            var end = i == pauses ? length : Math.Min(length, at + (int)(speaking * turnShares[i] * Rate));
            // A separate generator for each turn, so that an adjustment does not change the utterances.
            customer.Speak(channels[0].AsSpan(at..end), new Random(random.Next()));
            at = end;
            if (i == pauses)
                break;
            end = Math.Min(length, at + (int)((WindowSeconds + (silence * pauseShares[i])) * Rate));
            var (from, part) = (at + (Rate / 2), 0.5 + (0.4 * random.NextDouble()));
            agent.Speak(channels[1].AsSpan(Math.Min(from, end)..Math.Min(end, from + (int)((end - at) * part))), new Random(random.Next()));
            at = end;
        }
        var noise = (float)(Math.Pow(10, NoiseLevel / 20) * Math.Sqrt(3)); // uniform: its RMS is the amplitude over √3
        var samples = new float[2 * length];
        for (var i = 0; i < samples.Length; i++)
            samples[i] = Math.Clamp(channels[i % 2][i / 2] + (noise * ((2 * random.NextSingle()) - 1)), -1, 1);
        return new Call(new WavFile { Samples = samples, SampleRate = Rate, Channels = 2, Encoding = WavEncoding.MuLaw }.ToBytes());
    }

    /// <summary>Random shares of 1, none more than three times another.</summary>
    private static double[] Shares(int count, Random random)
    {
        var weights = Enumerable.Range(0, count).Select(_ => 0.5 + random.NextDouble()).ToArray();
        var sum = weights.Sum();
        return [.. weights.Select(weight => weight / sum)];
    }

    /// <summary>An encoded call, and how many of its customer's windows hold speech.</summary>
    private sealed class Call
    {
        public Call(byte[] wav)
        {
            Wav = wav;
            var audio = WavReader.Read(wav);
            var segments = VoiceActivityDetector.Detect(audio.Channel(0), Rate);
            var windows = Windowing.Over((int)((long)audio.Length * FeatureExtractor.SampleRate / Rate));
            Windows = windows.Count;
            // As fusion decides it: a segment reaches into the window.
            WithSpeech = windows.Count(window => segments.Any(segment => To22050(segment.Start) < window.Start + window.Length && To22050(segment.End) > window.Start));
        }

        public byte[] Wav { get; }

        public int Windows { get; }

        public int WithSpeech { get; }

        private static long To22050(long sample) => sample * FeatureExtractor.SampleRate / Rate;
    }

    /// <summary>One speaker's recordings, read when first used.</summary>
    private sealed class Speaker(IReadOnlyList<string> files)
    {
        private readonly float[]?[] _utterances = new float[files.Count][];

        /// <summary>The speakers of a corpus: each folder with WAV files is one. A single folder counts as customer and agent.</summary>
        public static List<Speaker> ReadAll(string corpus)
        {
            var speakers = Directory.EnumerateFiles(corpus, "*.wav", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .GroupBy(file => Path.GetDirectoryName(file))
                .Select(group => new Speaker([.. group]))
                .Where(speaker => speaker.HasSpeech())
                .ToList();
            return speakers.Count > 0 ? speakers : throw new InvalidDataException($"{corpus} must have WAV files that hold speech.");
        }

        /// <summary>Fills the samples with utterances and short gaps between them.</summary>
        public void Speak(Span<float> samples, Random random)
        {
            while (!samples.IsEmpty)
            {
                var utterance = Utterance(random.Next(files.Count));
                var taken = Math.Min(utterance.Length, samples.Length);
                utterance.AsSpan(0, taken).CopyTo(samples);
                samples = samples[taken..];
                samples = samples[Math.Min(samples.Length, (int)((0.2 + (0.6 * random.NextDouble())) * Rate))..];
            }
        }

        private bool HasSpeech() => Enumerable.Range(0, files.Count).Any(index => Utterance(index).Length > 0);

        /// <summary>A recording at 8 kHz from its first speech to its last; empty if none is found.</summary>
        private float[] Utterance(int index)
        {
            if (_utterances[index] is { } known)
                return known;
            var audio = WavReader.Read(File.ReadAllBytes(files[index]));
            var samples = Resampler.Resample(audio.ToMono(), audio.SampleRate, Rate);
            var segments = VoiceActivityDetector.Detect(samples, Rate);
            var speech = segments.Count == 0 ? [] : samples[(int)segments[0].Start..(int)segments[^1].End];
            var active = segments.Sum(segment => Energy(samples.AsSpan((int)segment.Start..(int)segment.End))) / Math.Max(1, segments.Sum(segment => segment.Length));
            var gain = (float)(Math.Pow(10, SpeechLevel / 20) / Math.Sqrt(active));
            for (var i = 0; i < speech.Length; i++)
                speech[i] *= gain;
            return _utterances[index] = speech;
        }

        private static double Energy(ReadOnlySpan<float> samples)
        {
            var energy = 0.0;
            foreach (var sample in samples)
                energy += (double)sample * sample;
            return energy;
        }
    }
}
