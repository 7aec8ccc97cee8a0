using System.CommandLine;
using Affect.Audio;
using Affect.Client;
using Affect.Emotions;
using Affect.Training.Data;

namespace Affect.Training.Commands;

/// <summary>
/// <c>calls</c>: synthesizes telephone calls from labeled test clips, streams them to a running Affect as fast as it
/// accepts audio, and prints the accuracy of windows, phases and alerts.
/// </summary>
/// <remarks>
/// A call is 8 kHz µ-law with two channels. The customer channel has phases of one emotion each: five clips of RAVDESS and
/// SAVEE with half a second of silence between them. The agent channel has a neutral clip after each phase. The clips are
/// those of the test split; phases and clips are drawn with a fixed seed.
/// </remarks>
internal static class CallsCommand
{
    private const int Rate = 8_000, Seed = 1, PhasesPerCall = 10, ClipsPerPhase = 5;
    private const string AngerRule = "angry";

    /// <summary>Maximum delay of an alert after the end of its phase; the last windows reach beyond the phase.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    private static readonly Option<string> Address = new("--address")
    {
        Description = "Address of the gRPC endpoint of Affect.",
        DefaultValueFactory = _ => AffectClientOptions.DefaultAddress,
    };

    private static readonly Option<int> Count = new("--calls") { Description = "Number of calls.", DefaultValueFactory = _ => 20 };

    private static readonly Option<string?> Out = new("--out") { Description = "Folder for the calls as WAV files." };

    public static Command Create()
    {
        var command = new Command(
            "calls", "Streams synthetic calls to a running Affect and prints the accuracy of windows, phases and alerts.")
        {
            Address, Count, Out, CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var workspace = CommonOptions.Workspace(parsed);
            var split = Split.Read(Path.Combine(parsed.GetValue(CommonOptions.Splits)!, Workspace.RandomSplit + ".tsv"));
            var clips = (await workspace.PrepareSpeechAsync(new CorpusReport(), (_, _) => { }, cancellation))
                .Where(clip => split.PartOf(clip.Id) == Part.Test && SpeechCorpora.ById(clip.Id).Name is "RAVDESS" or "SAVEE")
                .ToLookup(clip => clip.Emotion);
            using var client = new AffectClient(parsed.GetRequiredValue(Address));
            var random = new Random(Seed);
            var tally = new Tally();
            for (var i = 0; i < parsed.GetValue(Count); i++)
            {
                var call = SyntheticCall.Draw(clips, random);
                if (parsed.GetValue(Out) is { } folder)
                    call.Save(Path.Combine(Directory.CreateDirectory(folder).FullName, $"call-{i + 1:00}.wav"));
                tally.Add(call, await StreamAsync(client, call, cancellation));
            }
            tally.Print();
        }));
        return command;
    }

    private static async Task<List<CallResult>> StreamAsync(AffectClient client, SyntheticCall call, CancellationToken cancellation)
    {
        await using var stream = client.StartCall(
            new StreamOptions { Audio = new(AudioEncoding.MuLaw, Rate, [SpeakerRole.Customer, SpeakerRole.Agent]) }, cancellation);
        var results = stream.Results.ToListAsync(cancellation);
        foreach (var chunk in call.Audio.Chunk(Rate / 5))
            await stream.WriteAudioAsync(chunk, cancellation);
        await stream.CompleteAsync();
        return await results;
    }

    /// <summary>A part of the customer channel with one emotion.</summary>
    private readonly record struct Segment(Emotion Emotion, TimeSpan Start, TimeSpan End);

    private sealed record SyntheticCall(byte[] Audio, IReadOnlyList<Segment> Clips, IReadOnlyList<Segment> Phases)
    {
        public static SyntheticCall Draw(ILookup<Emotion, SpeechClip> clips, Random random)
        {
            var (customer, agent) = (new List<short>(), new List<short>());
            var (segments, phases) = (new List<Segment>(), new List<Segment>());
            Emotion? previous = null;
            for (var phase = 0; phase < PhasesPerCall; phase++)
            {
                // Consecutive phases have different emotions.
                var choice = Enum.GetValues<Emotion>().Where(candidate => candidate != previous).ToList();
                var emotion = choice[random.Next(choice.Count)];
                previous = emotion;
                var start = Time(customer);
                for (var i = 0; i < ClipsPerPhase; i++)
                {
                    var clipStart = Time(customer);
                    customer.AddRange(Telephone(Pick(emotion)));
                    segments.Add(new(emotion, clipStart, Time(customer)));
                    customer.AddRange(new short[Rate / 2]);
                }
                phases.Add(new(emotion, start, segments[^1].End));
                agent.AddRange(new short[customer.Count - agent.Count]);
                agent.AddRange(Telephone(Pick(Emotion.Neutral)));
                customer.AddRange(new short[agent.Count - customer.Count]);
            }
            var audio = new byte[2 * customer.Count];
            for (var i = 0; i < customer.Count; i++)
                (audio[2 * i], audio[(2 * i) + 1]) = (G711.EncodeMuLaw(customer[i]), G711.EncodeMuLaw(agent[i]));
            return new(audio, segments, phases);

            SpeechClip Pick(Emotion emotion)
            {
                var candidates = clips[emotion].ToList();
                return candidates[random.Next(candidates.Count)];
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
            return Resampler.Resample(samples, FeatureExtractor.SampleRate, Rate)
                .Select(sample => (short)Math.Clamp(sample * 32768f, short.MinValue, short.MaxValue));
        }
    }

    private sealed class Tally
    {
        private int _calls, _clips, _correctClips, _answered, _correctAnswers, _phases, _correctPhases;
        private int _angry, _angryRaised, _alerts, _correctAlerts;
        private TimeSpan _length;

        public void Add(SyntheticCall call, List<CallResult> results)
        {
            _calls++;
            _length += ((CallSummary)results[^1]).Duration;
            var windows = results.OfType<CallWindow>().Where(window => window.Fused.Judgement.Scores is not null).ToList();
            foreach (var clip in call.Clips)
            {
                // The window with the largest overlap is the one whose center is nearest to the clip's.
                var window = windows.MinBy(window => (Center(window.Start, window.End) - Center(clip.Start, clip.End)).Duration());
                _clips++;
                if (window is null)
                    continue;
                var correct = window.Fused.Judgement.Scores!.Value.Best == clip.Emotion;
                _correctClips += correct ? 1 : 0;
                if (window.Fused.Judgement.Outcome == Outcome.Ok)
                {
                    _answered++;
                    _correctAnswers += correct ? 1 : 0;
                }
            }
            foreach (var phase in call.Phases)
            {
                // The smoothed scores at the end of the phase.
                _phases++;
                var last = windows.LastOrDefault(window => window.End <= phase.End + TimeSpan.FromSeconds(1));
                _correctPhases += last?.Smoothed.Scores is { } smoothed && smoothed.Best == phase.Emotion ? 1 : 0;
            }

            var raised = results.OfType<Alert>().Where(alert => alert is { Rule: AngerRule, State: AlertState.Raised }).ToList();
            var angry = call.Phases.Where(phase => phase.Emotion == Emotion.Angry).ToList();
            _angry += angry.Count;
            _alerts += raised.Count;
            _angryRaised += angry.Count(phase => raised.Any(alert => Covers(phase, alert)));
            _correctAlerts += raised.Count(alert => angry.Any(phase => Covers(phase, alert)));

            static bool Covers(Segment phase, Alert alert) => alert.Time >= phase.Start && alert.Time <= phase.End + Grace;
        }

        public void Print()
        {
            Console.WriteLine($"{_calls} calls, {_length.TotalMinutes:F0} minutes, 8 kHz µ-law, two channels");
            Console.WriteLine($"clips: {_correctClips} of {_clips} correct, accuracy {Share(_correctClips, _clips)}; accuracy " +
                $"{Share(_correctAnswers, _answered)} on the {_answered} answered (not UNCERTAIN)");
            Console.WriteLine($"phases: {_correctPhases} of {_phases} correct by the smoothed scores at the end, accuracy " +
                $"{Share(_correctPhases, _phases)}");
            Console.WriteLine($"alerts '{AngerRule}': {_alerts} raised, precision {Share(_correctAlerts, _alerts)}; {_angry} angry " +
                $"phases, recall {Share(_angryRaised, _angry)}");
        }

        private static TimeSpan Center(TimeSpan start, TimeSpan end) => (start + end) / 2;

        private static string Share(int part, int whole) => whole == 0 ? "–" : $"{(double)part / whole:P1}";
    }
}
