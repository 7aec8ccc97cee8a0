using Affect.Audio;
using Affect.Training.Architectures;
using Affect.Training.Export;
using Microsoft.ML.OnnxRuntime;

namespace Affect.Training.Data;

/// <summary>Inputs of the models for strangers: a plain window of each clip and augmented ones, and what Whisper's encoder makes of them.</summary>
internal static class StrangerWindows
{
    /// <summary>Windows of each clip: a plain one and eight augmented ones.</summary>
    private const int Versions = 9;

    /// <summary>Those of which the encoder's states are computed: a plain one and four augmented ones.</summary>
    private const int StateVersions = 5;

    private const int Rate = WhisperLogMel.SampleRate, Length = 3 * Rate;
    private const int Frames = Length / WhisperLogMel.HopLength, Features = Frames * WhisperLogMel.MelCount;

    /// <summary>Opens the file of log-mel spectrograms; computes it first if necessary, about 10 ms per window and core.</summary>
    public static FeatureFile Open(
        string folder, IReadOnlyList<SpeechClip> clips, Action<int, int> progress, CancellationToken cancellation)
    {
        // Babble comes from the same corpus (RAVDESS: the same published fold), so that no model hears voices it is tested on.
        var groups = clips.GroupBy(Group).ToDictionary(group => group.Key, group => group.ToList());
        return FeatureFile.Open(Path.Combine(folder, "whisper-log-mel.half"), clips.Count, Versions, Features, (clip, destination) =>
        {
            for (var version = 0; version < Versions; version++)
                Fill(clips[clip], version, groups[Group(clips[clip])], destination.Slice(version * Features, Features));
        }, progress, cancellation);
    }

    /// <summary>
    /// Opens the file of the states of Whisper's encoder for the same windows; computes it first if necessary, about 16 ms per window and
    /// core. The encoder is the exported one with int8 products, so that the head is trained on what it hears in the services.
    /// </summary>
    public static FeatureFile OpenStates(
        string folder, FeatureFile windows, int clips, Action<int, int> progress, CancellationToken cancellation)
    {
        var session = new Lazy<InferenceSession>(OpenEncoder);
        try
        {
            var length = (int)WhisperSpeech.StateShape.Aggregate(1L, (product, size) => product * size);
            return FeatureFile.Open(Path.Combine(folder, "whisper-states.half"), clips, StateVersions, length, (clip, destination) =>
            {
                var values = new float[Features];
                using var input = OrtValue.CreateTensorValueFromMemory(values, [1, Frames, WhisperLogMel.MelCount]);
                using var options = new RunOptions();
                for (var version = 0; version < StateVersions; version++)
                {
                    windows.Read(clip, version, values);
                    using var outputs = session.Value.Run(options, ["mel"], [input], ["states"]);
                    outputs[0].GetTensorDataAsSpan<float>().CopyTo(destination.Slice(version * length, length));
                }
            }, progress, cancellation);
        }
        finally
        {
            if (session.IsValueCreated)
                session.Value.Dispose();
        }
    }

    private static InferenceSession OpenEncoder()
    {
        using var encoder = WhisperSpeech.LoadEncoder();
        var graph = new OnnxGraph(WeightFormat.DynamicInt8);
        var model = graph.ToModel(
            "whisper", ("mel", [Frames, WhisperLogMel.MelCount]), ("states", encoder.Emit(graph, "mel"), WhisperSpeech.StateShape));
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        return new(model, options);
    }

    private static void Fill(SpeechClip clip, int version, List<SpeechClip> group, Span<float> destination)
    {
        var sound = SpeechWindows.Sound(clip, Rate);
        var window = new float[Length];
        if (version == 0)
            SpeechWindows.CutLoudest(sound, Rate, window);
        else
            window = WaveAugmentation.Vary(new(Seeds.Mix(clip.Index, version)), sound, window.Length, Voice);
        WhisperLogMel.Extract(window, destination);

        float[] Voice(Random random)
        {
            while (true)
                if (group[random.Next(group.Count)] is var other && (other.Speaker != clip.Speaker || random.Next(20) == 0))
                    return SpeechWindows.Sound(other, Rate);
        }
    }

    private static string Group(SpeechClip clip) =>
        clip.Speaker.Split('/') is ["ravdess", var actor]
            ? $"ravdess {Array.FindIndex(RavdessFolds, fold => fold.Contains(int.Parse(actor)))}" : clip.Speaker.Split('/')[0];

    // The published folds of actors.
    private static readonly int[][] RavdessFolds =
        [[2, 5, 14, 15, 16], [3, 6, 7, 13, 18], [10, 11, 12, 19, 20], [8, 17, 21, 23, 24], [1, 4, 9, 22]];
}
