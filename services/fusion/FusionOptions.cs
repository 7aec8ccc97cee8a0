using System.ComponentModel.DataAnnotations;
using Affect.Emotions;
using Affect.Hosting;
using Microsoft.Extensions.Options;

namespace Affect.Fusion;

/// <summary>Whom fusion asks, how long it waits, and how it weighs: section <c>Fusion</c>.</summary>
public sealed class FusionOptions : IValidatableObject
{
    /// <summary>
    /// Largest request that is read: what the gateway lets through (32 MiB at the most), and what the
    /// wrapping of the message adds.
    /// </summary>
    public const int MaxRequestBytes = 33 << 20;

    /// <summary>Where the features service is: "http://host:8081" or "dns:///headless-service:8081".</summary>
    [Required]
    public string FeaturesAddress { get; set; } = "http://localhost:8081";

    /// <inheritdoc cref="FeaturesAddress"/>
    [Required]
    public string SpeechAddress { get; set; } = "http://localhost:8081";

    /// <inheritdoc cref="FeaturesAddress"/>
    [Required]
    public string FaceAddress { get; set; } = "http://localhost:8081";

    /// <summary>
    /// What a modality may take before it is UNAVAILABLE and the rest of the answer stands. A caller's
    /// deadline that is nearer shortens it, so that the rest still reaches the caller.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan ModalityTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a list of models is used before it is asked for again.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ModelsMaxAge { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Clips at once; one more gets RESOURCE_EXHAUSTED with RetryInfo. Each holds its media in memory.</summary>
    [Range(1, 10_000)]
    public int MaxClips { get; set; } = 32;

    /// <summary>Calls at once to speech or face for one clip: enough to fill a batch, not to fill a queue.</summary>
    [Range(1, 256)]
    public int MaxCallsPerModality { get; set; } = 16;

    /// <summary>How often one call is repeated that was lost or met a full queue.</summary>
    [Range(0, 10)]
    public int RetriesPerCall { get; set; } = 2;

    /// <summary>How many calls of one modality of one clip are repeated in all: where most fail, repeating adds load.</summary>
    [Range(0, 1000)]
    public int RetriesPerModality { get; set; } = 8;

    /// <summary>
    /// Weight of the voice in the log-linear pool, where both modalities answered. Learnt for the default
    /// models on validation samples paired by label: <c>training fuse</c>. 1 and 1 is a product of experts,
    /// which is right for modalities that are independent given the emotion.
    /// </summary>
    [Range(0.0, 10.0)]
    public double SpeechWeight { get; set; } = 1.01;

    /// <summary>Weight of the faces in the pool: see <see cref="SpeechWeight"/>.</summary>
    [Range(0.0, 10.0)]
    public double FaceWeight { get; set; } = 0.80;

    /// <summary>
    /// The prior that the pool divides by: all seven by their lower-case names, scaled to sum to 1. Uniform
    /// where empty, which is right for models whose training weighs all emotions alike.
    /// </summary>
    public Dictionary<string, float> Prior { get; set; } = [];

    /// <summary>
    /// A best pooled score below this is UNCERTAIN, [0, 1]. Where one modality answered alone, its model's
    /// own threshold counts instead.
    /// </summary>
    [Range(0.0, 1.0)]
    public float AbstainBelow { get; set; } = 0.4f;

    internal EmotionScores PriorScores => Prior.Count == 0
        ? LogLinearPool.UniformPrior
        : EmotionScores.FromWeights([.. EmotionLabels.Names.Select(name => Prior[name])]);

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, address) in ((string, string)[])
            [(nameof(FeaturesAddress), FeaturesAddress), (nameof(SpeechAddress), SpeechAddress), (nameof(FaceAddress), FaceAddress)])
            if (!string.IsNullOrEmpty(address) && !PeerChannel.IsAddress(address))
                yield return new($"{name}: '{address}' is neither http://host:port nor dns:///host:port.", [name]);

        if (SpeechWeight + FaceWeight == 0)
            yield return new("SpeechWeight and FaceWeight are both 0: nothing would be weighed.", [nameof(SpeechWeight)]);

        if (Prior.Count == 0)
            yield break;
        foreach (var name in EmotionLabels.Names.Where(name => !(Prior.GetValueOrDefault(name) > 0)))
            yield return new($"Prior: '{name}' must be there and positive.", [nameof(Prior)]);
        foreach (var name in Prior.Keys.Except(EmotionLabels.Names))
            yield return new($"Prior: '{name}' is none of the seven emotions.", [nameof(Prior)]);
    }
}

[OptionsValidator]
internal sealed partial class FusionOptionsValidator : IValidateOptions<FusionOptions>;
