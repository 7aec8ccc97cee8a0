using Affect.Audio;
using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our best speech model for voices it never heard: a network that looks at the spectrogram and one that listens to its cepstrum err on different voices, so their mean errs
/// less often than either.
/// </summary>
internal sealed class SpeechEnsemble() : WindowedSpeech(FeatureKind.LogMelZcrRms)
{
    private static readonly LogMelResNet Spectrum = new();
    private static readonly MfccAttention Cepstra = new();

    public override string Name => "speech-ensemble";

    public override string Description => $"{Spectrum.Name} and {Cepstra.Name} in one, on 3 s windows of 128 mel bands, ZCR and RMS.";

    /// <summary>Its members have their own; this one's batches are for looking at what came of it.</summary>
    public override Recipe Recipe => Spectrum.Recipe;

    public override IReadOnlyList<Architecture> Members { get; } = [Spectrum, Cepstra];

    public override string Remarks =>
        "It tells strangers' voices best, and takes two to three times as long as mfcc-attention, which is why that one is the default: a machine must hold many calls. "
        + "Its members' folds had the epochs that their cards say.";

    public override Network Build() => Join([.. Members.Select(member => (member.Build(), Normalization.None(member)))]).Network;

    public override (Network Network, Normalization Normalization) Join(IReadOnlyList<(Network Network, Normalization Normalization)> members)
    {
        var ((spectrum, bands), (cepstra, mfcc)) = (members[0], members[1]);
        var all = new Normalization([.. bands.Mean, .. mfcc.Mean[^2..]], [.. bands.Scale, .. mfcc.Scale[^2..]]);
        return (new Ensemble(
            (new First(FeatureExtractor.MelCount), spectrum),
            (new Cepstrum(FeatureExtractor.MelCount, FeatureExtractor.MfccCount, all, mfcc), cepstra)), all);
    }
}
