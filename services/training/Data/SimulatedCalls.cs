using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Course of a simulated call.</summary>
internal enum CallPattern
{
    /// <summary>Mostly neutral: 6 to 13 neutral windows between episodes of 3 to 5 windows of one emotion.</summary>
    Episodes,

    /// <summary>Eight windows of one emotion, anger if the speaker has it, then as <see cref="Episodes"/>.</summary>
    EmotionFirst,

    /// <summary>One emotion throughout.</summary>
    OneEmotion,

    /// <summary>Two speakers on one channel, who take turns of 4 to 12 windows, each as <see cref="Episodes"/>.</summary>
    SecondSpeaker,
}

/// <summary>A simulated call: a sequence of clips of one corpus, each of which stands for one window with voice.</summary>
/// <param name="Corpus">Folder of the corpus.</param>
/// <param name="Clips">Indices of the clips, in the order of the call.</param>
internal sealed record SimulatedCall(string Corpus, IReadOnlyList<int> Clips);

/// <summary>
/// Calls from labeled clips, for rules that adapt to a speaker. Each window is one whole clip: windows that overlap the boundary of two
/// clips have no label, and a call of 60 clips has as many independent windows as three minutes of speech.
/// </summary>
internal static class SimulatedCalls
{
    /// <summary>Windows in a call.</summary>
    public const int Length = 60;

    private const int Seed = 1, CallsPerCorpus = 60, Opening = 8;

    /// <summary>
    /// Minimum number of clips of an emotion; other emotions of a speaker are not used, and a speaker needs neutral and another one.
    /// </summary>
    private const int MinClips = 3;

    /// <summary>Creates about 60 calls of each corpus, at least one of each speaker; the same for the same clips.</summary>
    /// <param name="clips">Speaker (corpus/speaker) and emotion of each clip.</param>
    /// <param name="pattern">Course of the calls.</param>
    public static IReadOnlyList<SimulatedCall> Create(IReadOnlyList<(string Speaker, Emotion Emotion)> clips, CallPattern pattern)
    {
        var calls = new List<SimulatedCall>();
        var speakers = Enumerable.Range(0, clips.Count).GroupBy(i => clips[i].Speaker)
            .Select(speaker => (Name: speaker.Key, Clips: speaker.GroupBy(i => clips[i].Emotion)
                .Where(emotion => emotion.Count() >= MinClips).ToDictionary(emotion => emotion.Key, emotion => emotion.ToArray())))
            .Where(speaker => speaker.Clips.Count > 1 && speaker.Clips.ContainsKey(Emotion.Neutral))
            .OrderBy(speaker => speaker.Name, StringComparer.Ordinal);
        foreach (var corpus in speakers.GroupBy(speaker => speaker.Name.Split('/')[0]))
        {
            var all = corpus.ToList();
            for (var (i, repetitions) = (0, Repetitions(all)); i < all.Count * repetitions; i++)
            {
                var speaker = all[i / repetitions];
                var random = new Random(Seeds.Mix(Seed, (int)pattern, Seeds.Of(speaker.Name), i % repetitions));
                var voice = new Voice(speaker.Clips, random);
                if (pattern == CallPattern.OneEmotion)
                    calls.AddRange(speaker.Clips.Keys.Order()
                        .Select(emotion => Call(Enumerable.Repeat(emotion, Length).Select(voice.Next))));
                else if (pattern == CallPattern.EmotionFirst)
                    calls.Add(Call(Enumerable.Repeat(speaker.Clips.ContainsKey(Emotion.Angry) ? Emotion.Angry : voice.NextEmotion(), Opening)
                        .Select(voice.Next).Concat(voice.Episodes())));
                else if (pattern == CallPattern.Episodes)
                    calls.Add(Call(voice.Episodes()));
                else if (all.Count > 1)
                    calls.Add(Call(Turns(voice.Episodes(), new Voice(all[(i / repetitions + 1) % all.Count].Clips, random).Episodes(), random)));
            }

            SimulatedCall Call(IEnumerable<int> windows) => new(corpus.Key, [.. windows.Take(Length)]);
        }
        return calls;

        int Repetitions(IReadOnlyList<(string Name, Dictionary<Emotion, int[]> Clips)> all) => Math.Max(1, CallsPerCorpus
            / (pattern == CallPattern.OneEmotion ? all.Sum(speaker => speaker.Clips.Count) : all.Count));
    }

    /// <summary>Metrics of each corpus under a rule, pooled over the windows of its calls.</summary>
    /// <param name="calls">The calls.</param>
    /// <param name="emotions">Label of each clip.</param>
    /// <param name="rule">Maps the clips of a call to the scores of its windows, in order.</param>
    public static IReadOnlyDictionary<string, Inference.ModelMetrics> Evaluate(
        IReadOnlyList<SimulatedCall> calls, IReadOnlyList<Emotion> emotions, Func<IReadOnlyList<int>, IReadOnlyList<EmotionScores>> rule) =>
        calls.GroupBy(call => call.Corpus).ToDictionary(corpus => corpus.Key, corpus => Evaluation.Metrics.Compute(
            "simulated calls", corpus.Key, [.. corpus.SelectMany(call => rule(call.Clips))],
            [.. corpus.SelectMany(call => call.Clips).Select(clip => emotions[clip])]));

    private static IEnumerable<int> Turns(IEnumerable<int> first, IEnumerable<int> second, Random random)
    {
        using var one = first.GetEnumerator();
        using var other = second.GetEnumerator();
        for (var turn = 0; ; turn++)
            for (var left = random.Next(4, 13); left > 0; left--)
            {
                var voice = turn % 2 == 0 ? one : other;
                voice.MoveNext();
                yield return voice.Current;
            }
    }

    /// <summary>Draws the clips of a speaker: all clips of an emotion before the first is repeated, and the emotions one after another.</summary>
    private sealed class Voice(IReadOnlyDictionary<Emotion, int[]> clips, Random random)
    {
        private readonly Dictionary<Emotion, Queue<int>> _clips = [];
        private readonly Queue<Emotion> _emotions = [];

        public int Next(Emotion emotion) =>
            Draw(_clips.TryGetValue(emotion, out var queue) ? queue : _clips[emotion] = [], clips[emotion]);

        public Emotion NextEmotion() => Draw(_emotions, [.. clips.Keys.Where(emotion => emotion != Emotion.Neutral).Order()]);

        public IEnumerable<int> Episodes()
        {
            while (true)
            {
                for (var left = random.Next(6, 14); left > 0; left--)
                    yield return Next(Emotion.Neutral);
                var emotion = NextEmotion();
                for (var left = random.Next(3, 6); left > 0; left--)
                    yield return Next(emotion);
            }
        }

        private T Draw<T>(Queue<T> queue, IReadOnlyList<T> all)
        {
            if (queue.Count == 0)
            {
                T[] order = [.. all];
                random.Shuffle(order);
                foreach (var item in order)
                    queue.Enqueue(item);
            }
            return queue.Dequeue();
        }
    }
}
