using Affect.Audio;
using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// The best speech model over known and unseen speakers: an ensemble of the spectrogram model, which is better on unseen
/// speakers, and the MFCC model, which is better on known ones.
/// </summary>
internal sealed class SpeechEnsemble() : WindowedSpeech(FeatureKind.LogMelZcrRms)
{
    // The random split's validation data favors a higher weight, the folds' validation data a lower one; 0.2 to 0.3
    // is equally good on both.
    private const float MfccWeight = 0.3f;

    private static readonly LogMelResNet LogMel = new();
    private static readonly MfccAttention Mfcc = new();

    public override string Name => "speech-ensemble";

    public override string Description => $"Ensemble of {LogMel.Name} and {Mfcc.Name} on 3 s windows of 128 mel bands, ZCR and RMS.";

    /// <summary>The members have their own recipes; this one only sets the batch size of inference.</summary>
    public override Recipe Recipe => LogMel.Recipe;

    public override IReadOnlyList<Architecture> Members { get; } = [LogMel, Mfcc];

    public override string Remarks =>
        "As accurate as logmel-resnet on unseen speakers and as mfcc-attention on known speakers. Its latency is two to three times "
        + "that of mfcc-attention, which is the default because one machine serves many calls. "
        + $"The logits of {Mfcc.Name} have a weight of {MfccWeight:P0}. The random split's validation data favors a higher weight, "
        + "the folds' validation data a lower one; 20 to 30 % is equally good on both.";

    public override Network Build() => Combine([.. Members.Select(member => (member.Build(), Normalization.Identity(member)))]).Network;

    public override (Network Network, Normalization Normalization) Combine(
        IReadOnlyList<(Network Network, Normalization Normalization)> members)
    {
        var ((logMelNetwork, logMel), (mfccNetwork, mfcc)) = (members[0], members[1]);
        var all = new Normalization([.. logMel.Mean, .. mfcc.Mean[^2..]], [.. logMel.Scale, .. mfcc.Scale[^2..]]);
        return (new Ensemble(
            (new Narrow(FeatureExtractor.MelCount), logMelNetwork, 1 - MfccWeight),
            (new Cepstrum(FeatureExtractor.MelCount, FeatureExtractor.MfccCount, all, mfcc), mfccNetwork, MfccWeight)), all);
    }
}
