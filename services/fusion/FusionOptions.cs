using System.ComponentModel.DataAnnotations;
using Affect.Emotions;
using Affect.Fusion.Peers;
using Affect.Fusion.Timeline;
using Affect.Hosting;
using Microsoft.Extensions.Options;

namespace Affect.Fusion;

/// <summary>Peers, time limits, weights and policies of fusion: section <c>Fusion</c>.</summary>
public sealed class FusionOptions : IValidatableObject
{
    /// <summary>Largest request: the gateway accepts at most 32 MiB, and fusion's own message adds a few bytes.</summary>
    public const int MaxRequestBytes = 33 << 20;

    /// <summary>Shortest key of <see cref="CheckpointKeys"/>: the size of SHA-256.</summary>
    internal const int MinCheckpointKeyBytes = 32;

    private const int MaxCheckpointKeys = 16;

    /// <summary>Address of the peer: "http://host:8081", "https://host:8081" or "dns:///headless-service:8081".</summary>
    [Required]
    public string FeaturesAddress { get; set; } = "http://localhost:8081";

    /// <inheritdoc cref="FeaturesAddress"/>
    [Required]
    public string SpeechAddress { get; set; } = "http://localhost:8081";

    /// <inheritdoc cref="FeaturesAddress"/>
    [Required]
    public string FaceAddress { get; set; } = "http://localhost:8081";

    /// <summary>
    /// Time without progress after which a modality of a clip is UNAVAILABLE; the other one is not affected. A nearer deadline of the
    /// caller shortens it, so that the rest of the answer still reaches the caller.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan ModalityTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Age after which a list of models is fetched again.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ModelsMaxAge { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Clips in memory. Half of them are analyzed, the others wait; beyond it the tenant with the most clips that wait gets
    /// RESOURCE_EXHAUSTED with RetryInfo.
    /// </summary>
    [Range(1, 10_000)]
    public int MaxClips { get; set; } = 32;

    /// <summary>Clips of one tenant that are analyzed concurrently; further ones wait. Few clips finish sooner than many.</summary>
    [Range(1, 10_000)]
    public int MaxClipsPerTenant { get; set; } = 4;

    /// <summary>
    /// Requests to speech, and as many to face, that all calls and clips together send concurrently; further ones wait, and tenants take
    /// turns. Enough for the batches of several pods.
    /// </summary>
    [Range(1, 100_000)]
    public int MaxConcurrentRequests { get; set; } = 256;

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
    /// Weight of the voice in the log-linear pool, if both modalities have scores. Learned for the default models from validation
    /// samples paired by label: <c>training fuse</c>. 1 and 1 is a product of experts, which is right for modalities that are
    /// independent given the emotion.
    /// </summary>
    [Range(0.0, 10.0)]
    public double SpeechWeight { get; set; } = 1;

    /// <summary>Weight of the faces in the pool: see <see cref="SpeechWeight"/>.</summary>
    [Range(0.0, 10.0)]
    public double FaceWeight { get; set; } = 0.83;

    /// <summary>
    /// The prior that the pool divides by: all seven emotions by lowercase name, scaled to sum to 1. Uniform if empty, which is
    /// right for models whose training weights all emotions equally.
    /// </summary>
    public Dictionary<string, float> Prior { get; set; } = [];

    /// <summary>
    /// If the best pooled score is below this, [0, 1], the outcome is UNCERTAIN. If only one modality has scores, the threshold of
    /// its model applies instead.
    /// </summary>
    [Range(0.0, 1.0)]
    public float AbstainBelow { get; set; } = 0.4f;

    /// <summary>Concurrent calls, of which one tenant has at most half; beyond it requests get RESOURCE_EXHAUSTED with RetryInfo.</summary>
    [Range(1, 100_000)]
    public int MaxCalls { get; set; } = 2_000;

    /// <summary>
    /// Time after which a window of a call is UNAVAILABLE, retries included: long enough for a pod to be replaced, so that a call
    /// loses no window meanwhile.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan WindowTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Windows of a call that are scored concurrently; beyond it the client is not read.</summary>
    [Range(1, 256)]
    public int MaxConcurrentWindows { get; set; } = 8;

    /// <summary>Time without a message after which a call is ended with its summary.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan StallTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Time of the call between two checkpoints. Clients keep the media of this time and a few more seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan CheckpointInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Keys of the HMAC-SHA256 that authenticates checkpoints, in base64, at least 32 bytes each. The first signs, all verify. Every
    /// process that resumes the calls of another needs the same keys; if empty, a random key is generated at the start.
    /// </summary>
    public IList<string> CheckpointKeys { get; set; } = [];

    /// <summary>Time for which a window waits for late frames after its voice has been scored.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan MaxVideoLag { get; set; } = TimeSpan.FromSeconds(0.3);

    /// <summary>
    /// True to infer emotion on the channels of agents and of speakers with an unknown role too. The EU AI Act (Art. 5(1)(f)) forbids
    /// it at work except for medical or safety reasons; calls for which it is enabled are logged.
    /// </summary>
    public bool AgentEmotion { get; set; }

    /// <summary>τ of the forward filter: the mean duration of an emotion.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan Dwell { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Rules that raise alerts, by name; the default ones can be changed or disabled.</summary>
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
                yield return new($"{name} must be http://host:port, https://host:port or dns:///host:port; it is '{address}'.", [name]);

        if (SpeechWeight + FaceWeight == 0)
            yield return new("SpeechWeight or FaceWeight must be positive.", [nameof(SpeechWeight)]);

        if (CheckpointKeys.Count > MaxCheckpointKeys)
            yield return new($"CheckpointKeys must have at most {MaxCheckpointKeys} keys; it has {CheckpointKeys.Count}.", [nameof(CheckpointKeys)]);
        foreach (var (index, key) in CheckpointKeys.Index())
            if (!IsKey(key))
                yield return new($"CheckpointKeys:{index} must be at least {MinCheckpointKeyBytes} bytes in base64.", [nameof(CheckpointKeys)]);

        // The generated validator does not look into dictionaries.
        foreach (var (name, rule) in Alerts)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(rule, new ValidationContext(rule), results, validateAllProperties: true);
            foreach (var result in results)
                yield return new($"Alerts:{name}: {result.ErrorMessage}", [nameof(Alerts)]);
            if (!EmotionLabels.Names.Contains(rule.Emotion))
                yield return new($"Alerts:{name}: Emotion must be one of the seven emotions; it is '{rule.Emotion}'.", [nameof(Alerts)]);
            if (rule.ClearBelow > rule.Above)
                yield return new($"Alerts:{name}: ClearBelow must be at most Above.", [nameof(Alerts)]);
        }

        if (Prior.Count == 0)
            yield break;
        foreach (var name in EmotionLabels.Names.Where(name => !(Prior.GetValueOrDefault(name) > 0)))
            yield return new($"Prior: '{name}' must have a positive weight.", [nameof(Prior)]);
        foreach (var name in Prior.Keys.Except(EmotionLabels.Names))
            yield return new($"Prior: the key '{name}' must be one of the seven emotions.", [nameof(Prior)]);
    }

    private static bool IsKey(string? key)
    {
        var bytes = new byte[key?.Length ?? 0];
        return key is not null && Convert.TryFromBase64String(key, bytes, out var count) && count >= MinCheckpointKeyBytes;
    }
}

[OptionsValidator]
internal sealed partial class FusionOptionsValidator : IValidateOptions<FusionOptions>;
