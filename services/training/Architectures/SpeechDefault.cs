namespace Affect.Training.Architectures;

/// <summary>The default speech model for strangers: the convolutions of Whisper's encoder, at a cost that calls can bear.</summary>
internal sealed class SpeechDefault() : WhisperSpeech("speech-default", blocks: 0, Common with { MixupAlpha = 0.4 })
{
    public override string Description =>
        "The convolutions of Whisper base's encoder and two heads trained on eight corpora, on 3 s windows; for calls.";
}
