using System.CommandLine;
using Affect.Audio;
using Affect.Client;
using Affect.Emotions;
using Affect.Training.Data;

namespace Affect.Training.Commands;

/// <summary>
/// <c>calls</c>: makes telephone calls of test clips whose emotion is known, streams them through a running Affect as fast as
/// it takes them, and tells how often windows, stretches and alerts were right.
/// </summary>
/// <remarks>
/// A call is 8 kHz µ-law with two channels. Its customer goes through phases of one emotion each, five clips of RAVDESS and SAVEE
/// with half a second between them; behind each phase an agent says something neutral. Clips are those that the speech model
/// was tested on; phases and clips are drawn by a fixed seed.
/// </remarks>
internal static class CallsCommand
{
    private const int Rate = 8_000, Seed = 1, PhasesPerCall = 10, ClipsPerPhase = 5;
    private const string AngerRule = "angry";

    /// <summary>An alert may come so long after its phase: the last windows reach beyond it.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    private static readonly Option<string> Address = new("--address")
    {
        Description = "Where Affect serves gRPC.",
        DefaultValueFactory = _ => AffectClientOptions.DefaultAddress,
    };

    private static readonly Option<int> Count = new("--calls") { Description = "Number of calls.", DefaultValueFactory = _ => 20 };

    private static readonly Option<string?> Out = new("--out") { Description = "Folder to write the calls to as WAV files as well." };

    public static Command Create()
    {
        var command = new Command("calls", "Streams calls made of test clips through a running Affect: windows, phases and alerts that were right.")
        {
            Address, Count, Out, Shared.Data, Shared.Run, Shared.Splits,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var workspace = Shared.Workspace(parsed);
            var split = Split.Read(Path.Combine(parsed.GetValue(Shared.Splits)!, Workspace.RandomSplit + ".tsv"));
            var clips = (await workspace.PrepareSpeechAsync(new Report(), (_, _) => { }, cancellation))
                .Where(clip => split.Of(clip.Id) == Part.Test && SpeechCorpora.Of(clip.Id).Name is "RAVDESS" or "SAVEE")
                .ToLookup(clip => clip.Emotion);
            using var client = new AffectClient(parsed.GetRequiredValue(Address));
            var random = new Random(Seed);
            var tally = new Tally();
            for (var i = 0; i < parsed.GetValue(Count); i++)
            {
                var call = MadeCall.Draw(clips, random);
                if (parsed.GetValue(Out) is { } folder)
                    call.Save(Path.Combine(Directory.CreateDirectory(folder).FullName, $"call-{i + 1:00}.wav"));
                tally.Take(call, await StreamAsync(client, call, cancellation));
            }
            tally.Tell();
        }));
        return command;
    }

    private static async Task<List<CallResult>> StreamAsync(AffectClient client, MadeCall call, CancellationToken cancellation)
    {
        await using var stream = client.StartCall(
            new StreamOptions { Audio = new(AudioEncoding.MuLaw, Rate, [SpeakerRole.Customer, SpeakerRole.Agent]) }, cancellation);
        var results = stream.Results.ToListAsync(cancellation);
        foreach (var chunk in call.Audio.Chunk(Rate / 5))
            await stream.WriteAudioAsync(chunk, cancellation);
        await stream.CompleteAsync();
        return await results;
    }

    /// <summary>A stretch of the customer's voice with one emotion.</summary>
    private readonly record struct Stretch(Emotion Emotion, TimeSpan Start, TimeSpan End);

    private sealed record MadeCall(byte[] Audio, IReadOnlyList<Stretch> Clips, IReadOnlyList<Stretch> Phases)
    {
        public static MadeCall Draw(ILookup<Emotion, SpeechClip> clips, Random random)
        {
            var (customer, agent) = (new List<short>(), new List<short>());
            var (said, phases) = (new List<Stretch>(), new List<Stretch>());
            Emotion? before = null;
            for (var phase = 0; phase < PhasesPerCall; phase++)
            {
                // Another emotion than before, so that a phase is what its name says.
                var choice = Enum.GetValues<Emotion>().Where(one => one != before).ToList();
                var emotion = choice[random.Next(choice.Count)];
                before = emotion;
                var start = Time(customer);
                for (var i = 0; i < ClipsPerPhase; i++)
                {
                    var from = Time(customer);
                    customer.AddRange(Telephone(Pick(emotion)));
                    said.Add(new(emotion, from, Time(customer)));
                    customer.AddRange(new short[Rate / 2]);
                }
                phases.Add(new(emotion, start, said[^1].End));
                agent.AddRange(new short[customer.Count - agent.Count]);
                agent.AddRange(Telephone(Pick(Emotion.Neutral)));
                customer.AddRange(new short[agent.Count - customer.Count]);
            }
            var audio = new byte[2 * customer.Count];
            for (var i = 0; i < customer.Count; i++)
                (audio[2 * i], audio[(2 * i) + 1]) = (G711.EncodeMuLaw(customer[i]), G711.EncodeMuLaw(agent[i]));
            return new(audio, said, phases);

            SpeechClip Pick(Emotion emotion)
            {
                var known = clips[emotion].ToList();
                return known[random.Next(known.Count)];
            }
        }

        public void Save(string path)
        {
            using var file = new BinaryWriter(File.Create(path));
            file.Write("RIFF"u8);
            file.Write(36 + Audio.Length);
            file.Write("WAVEfmt "u8);
            file.Write(16);
            file.Write((short)7); // µ-law
            file.Write((short)2);
            file.Write(Rate);
            file.Write(2 * Rate);
            file.Write((short)2);
            file.Write((short)8);
            file.Write("data"u8);
            file.Write(Audio.Length);
            file.Write(Audio);
        }

        private static TimeSpan Time(List<short> samples) => TimeSpan.FromSeconds((double)samples.Count / Rate);

        private static IEnumerable<short> Telephone(SpeechClip clip)
        {
            var samples = new float[clip.Samples.Length];
            for (var i = 0; i < samples.Length; i++)
                samples[i] = clip.Samples.Span[i] / 32768f;
            return Resampler.Resample(samples, FeatureExtractor.SampleRate, Rate).Select(sample => (short)Math.Clamp(sample * 32768f, short.MinValue, short.MaxValue));
        }
    }

    private sealed class Tally
    {
        private int _calls, _clips, _clipsRight, _answered, _answeredRight, _phases, _phasesRight;
        private int _angry, _angryRaised, _alerts, _alertsRight;
        private TimeSpan _length;

        public void Take(MadeCall call, List<CallResult> results)
        {
            _calls++;
            _length += ((CallSummary)results[^1]).Duration;
            var windows = results.OfType<CallWindow>().Where(window => window.Fused.Judgement.Scores is not null).ToList();
            foreach (var clip in call.Clips)
            {
                // The window that has most of the clip is the one whose middle is nearest to the clip's.
                var window = windows.MinBy(window => (Middle(window.Start, window.End) - Middle(clip.Start, clip.End)).Duration());
                _clips++;
                if (window is null)
                    continue;
                var right = window.Fused.Judgement.Scores!.Value.Best == clip.Emotion;
                _clipsRight += right ? 1 : 0;
                if (window.Fused.Judgement.Outcome == Outcome.Ok)
                {
                    _answered++;
                    _answeredRight += right ? 1 : 0;
                }
            }
            foreach (var phase in call.Phases)
            {
                // What is believed when the phase is over.
                _phases++;
                var last = windows.LastOrDefault(window => window.End <= phase.End + TimeSpan.FromSeconds(1));
                _phasesRight += last?.Smoothed.Scores is { } belief && belief.Best == phase.Emotion ? 1 : 0;
            }

            var raised = results.OfType<Alert>().Where(alert => alert is { Rule: AngerRule, State: AlertState.Raised }).ToList();
            var angry = call.Phases.Where(phase => phase.Emotion == Emotion.Angry).ToList();
            _angry += angry.Count;
            _alerts += raised.Count;
            _angryRaised += angry.Count(phase => raised.Any(alert => Covers(phase, alert)));
            _alertsRight += raised.Count(alert => angry.Any(phase => Covers(phase, alert)));

            static bool Covers(Stretch phase, Alert alert) => alert.Time >= phase.Start && alert.Time <= phase.End + Grace;
        }

        public void Tell()
        {
            Console.WriteLine($"{_calls} calls, {_length.TotalMinutes:F0} minutes, 8 kHz µ-law, two channels");
            Console.WriteLine($"segments: {_clipsRight} of {_clips} clips right, {Share(_clipsRight, _clips)}; of the {_answered} that were answered (not UNCERTAIN) {Share(_answeredRight, _answered)}");
            Console.WriteLine($"phases: {_phasesRight} of {_phases} right by the smoothed belief at their end, {Share(_phasesRight, _phases)}");
            Console.WriteLine($"alerts '{AngerRule}': {_alerts} raised, precision {Share(_alertsRight, _alerts)}; {_angry} angry phases, recall {Share(_angryRaised, _angry)}");
        }

        private static TimeSpan Middle(TimeSpan start, TimeSpan end) => (start + end) / 2;

        private static string Share(int part, int whole) => whole == 0 ? "–" : $"{(double)part / whole:P1}";
    }
}
