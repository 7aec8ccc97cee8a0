using System.ComponentModel.DataAnnotations;
using Affect.Emotions;
using Affect.Fusion.Peers;
using Affect.Fusion.Timeline;
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

    /// <summary>Concurrent requests to speech or face for one clip: enough to fill a batch, not a queue.</summary>
    [Range(1, 256)]
    public int MaxRequestsPerModality { get; set; } = 16;

    /// <summary>Retries of one request that was lost or met a full queue.</summary>
    [Range(0, 10)]
    public int RetriesPerRequest { get; set; } = 2;

    /// <summary>Retries of all requests of one modality of a clip: if most fail, retrying adds load.</summary>
    [Range(0, 1000)]
    public int RetriesPerModality { get; set; } = 8;

    /// <summary>
    /// Weight of the voice in the log-linear pool, where both modalities answered. Learnt for the default
    /// models on validation samples paired by label: <c>training fuse</c>. 1 and 1 is a product of experts,
    /// which is right for modalities that are independent given the emotion.
    /// </summary>
    [Range(0.0, 10.0)]
    public double SpeechWeight { get; set; } = 1;

    /// <summary>Weight of the faces in the pool: see <see cref="SpeechWeight"/>.</summary>
    [Range(0.0, 10.0)]
    public double FaceWeight { get; set; } = 0.83;

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

    /// <summary>Calls that are streamed at once; one more gets RESOURCE_EXHAUSTED with RetryInfo.</summary>
    [Range(1, 100_000)]
    public int MaxCalls { get; set; } = 2_000;

    /// <summary>
    /// What a window of a call may take, repeats included, before it is UNAVAILABLE: long enough for a pod to be replaced,
    /// for the call goes on meanwhile and loses nothing.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan WindowTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Windows of a call that are computed at once; a client that sends faster than they are is read no faster.</summary>
    [Range(1, 256)]
    public int WindowsAtOnce { get; set; } = 8;

    /// <summary>Who sends nothing for so long has the call ended, with its summary.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan StallTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>From one checkpoint of a call to the next, in the call's own time. Clients hold so much media, and some seconds more.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan CheckpointEvery { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>So long a window waits for frames that are still on their way when its voice is known.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan MaxVideoLag { get; set; } = TimeSpan.FromSeconds(0.3);

    /// <summary>
    /// Whether emotion is looked for on the channels of agents and of people whose role is not known. The EU AI Act (Art.
    /// 5(1)(f)) forbids it at work but for medical or safety reasons; turning it on is logged.
    /// </summary>
    public bool AgentEmotion { get; set; }

    /// <summary>τ of the forward filter: the mean time for which an emotion stays.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan Dwell { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The rules that raise alerts, by name; those named here stand by default.</summary>
    public Dictionary<string, AlertRule> Alerts { get; set; } = new()
    {
        ["angry"] = new() { Emotion = "angry", Above = 0.6f, For = TimeSpan.FromSeconds(6), ClearBelow = 0.4f },
        ["saddening"] = new() { Emotion = "sad", Above = 0.4f, For = TimeSpan.FromSeconds(5), ClearBelow = 0.2f, Within = TimeSpan.FromMinutes(1) },
    };

    internal RequestBudget ClipBudget => new(ModalityTimeout, MaxRequestsPerModality, RetriesPerRequest, RetriesPerModality);

    // A window has few requests (a picture one per face); retries are limited by time alone.
    internal RequestBudget WindowBudget => new(WindowTimeout, MaxRequestsPerModality, int.MaxValue, int.MaxValue);

    internal EmotionScores PriorScores => Prior.Count == 0
        ? LogLinearPool.UniformPrior
        : EmotionScores.FromWeights([.. EmotionLabels.Names.Select(name => Prior[name])]);

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, address) in ((string, string)[])
            [(nameof(FeaturesAddress), FeaturesAddress), (nameof(SpeechAddress), SpeechAddress), (nameof(FaceAddress), FaceAddress)])
            if (!string.IsNullOrEmpty(address) && !PeerChannel.IsAddress(address))
                yield return new($"{name}: '{address}' is none of http://host:port, https://host:port and dns:///host:port.", [name]);

        if (SpeechWeight + FaceWeight == 0)
            yield return new("SpeechWeight and FaceWeight are both 0: nothing would be weighed.", [nameof(SpeechWeight)]);

        // The generated validator does not look into dictionaries.
        foreach (var (name, rule) in Alerts)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(rule, new ValidationContext(rule), results, validateAllProperties: true);
            foreach (var result in results)
                yield return new($"Alerts:{name}: {result.ErrorMessage}", [nameof(Alerts)]);
            if (!EmotionLabels.Names.Contains(rule.Emotion))
                yield return new($"Alerts:{name}: '{rule.Emotion}' is none of the seven emotions.", [nameof(Alerts)]);
            if (rule.ClearBelow > rule.Above)
                yield return new($"Alerts:{name}: ClearBelow must not be more than Above.", [nameof(Alerts)]);
        }

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
