using Affect.Audio;
using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// Our best speech model: a network that looks at the spectrogram knows strangers' voices, one that listens to its cepstrum those that it learnt from, and both together are
/// good with either.
/// </summary>
internal sealed class SpeechEnsemble() : WindowedSpeech(FeatureKind.LogMelZcrRms)
{
    // Validation data of the random split would have more of it, strangers' voices less; together they are content with a fifth to three tenths.
    private const float CepstraShare = 0.3f;

    private static readonly LogMelResNet Spectrum = new();
    private static readonly MfccAttention Cepstra = new();

    public override string Name => "speech-ensemble";

    public override string Description => $"{Spectrum.Name} and {Cepstra.Name} in one, on 3 s windows of 128 mel bands, ZCR and RMS.";

    /// <summary>Its members have their own; this one's batches are for looking at what came of it.</summary>
    public override Recipe Recipe => Spectrum.Recipe;

    public override IReadOnlyList<Architecture> Members { get; } = [Spectrum, Cepstra];

    public override string Remarks =>
        "With strangers' voices it is as good as logmel-resnet, with those it learnt from as good as mfcc-attention. It takes two to three times as long as the latter, which is why that one is the default: a machine must hold many calls. "
        + $"{Cepstra.Name} has a share of {CepstraShare:P0}. Validation data of the random split would have given it more, the actors that validate the folds less; a fifth to three tenths do equally well over both.";

    public override Network Build() => Join([.. Members.Select(member => (member.Build(), Normalization.None(member)))]).Network;

    public override (Network Network, Normalization Normalization) Join(IReadOnlyList<(Network Network, Normalization Normalization)> members)
    {
        var ((spectrum, bands), (cepstra, mfcc)) = (members[0], members[1]);
        var all = new Normalization([.. bands.Mean, .. mfcc.Mean[^2..]], [.. bands.Scale, .. mfcc.Scale[^2..]]);
        return (new Ensemble(
            (new First(FeatureExtractor.MelCount), spectrum, 1 - CepstraShare),
            (new Cepstrum(FeatureExtractor.MelCount, FeatureExtractor.MfccCount, all, mfcc), cepstra, CepstraShare)), all);
    }
}
