namespace Affect.Training.Architectures;

/// <summary>The best speech model for strangers: four blocks of Whisper's encoder.</summary>
internal sealed class SpeechBest() : WhisperSpeech("speech-best", blocks: 4, Common with { MixupAlpha = 0.4 })
{
    public override string Description =>
        "The first four blocks of Whisper base's encoder and two heads trained on eight corpora, on 3 s windows; for GPUs and archives.";
}
