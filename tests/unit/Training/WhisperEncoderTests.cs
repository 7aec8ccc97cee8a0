using Affect.Training.Architectures;
using Affect.Training.Layers;
using Affect.UnitTests.Audio;
using static TorchSharp.torch;

namespace Affect.UnitTests.Training;

[Collection(nameof(Torch))] // torch has one generator for the whole process
public sealed class WhisperEncoderTests
{
    /// <summary>
    /// The moments of Whisper's own states of the same spectrogram. AFFECT_WHISPER is whisper.cpp's ggml-base-q5_1.bin, whose weights
    /// have 5 bits.
    /// </summary>
    [Fact]
    public void LoadEncoder_GoldenSpectrogram_GivesTheMomentsOfWhispersStates()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("AFFECT_WHISPER") is { Length: > 0 }, "AFFECT_WHISPER is not set");
        var golden = Golden.Load("whisper");
        using var scope = NewDisposeScope();
        using var encoder = WhisperSpeech.LoadEncoder();

        var rows = encoder.call(tensor(golden.Values("mel").SelectMany(frame => frame).ToArray(), [1, 300, 80]))[0];

        foreach (var (expected, i) in golden.StateMoments.Select((moments, i) => (moments, i)))
        {
            var mean = rows.narrow(0, i * WhisperEncoder.Rows, WhisperEncoder.Segments).mean([0]);
            var deviation = rows[(i * WhisperEncoder.Rows) + WhisperEncoder.Segments];
            var square = ((deviation * deviation) + (mean * mean)).mean().item<float>();
            Assert.Equal(expected.Mean, mean.mean().item<float>(), 0.02);
            Assert.Equal(expected.Deviation, Math.Sqrt(square - Math.Pow(mean.mean().item<float>(), 2)), 0.1 * expected.Deviation);
        }
    }
}
