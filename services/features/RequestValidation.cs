using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using CallAudioState = Affect.Features.Audio.CallAudioState;

namespace Affect.Features;

/// <summary>Validates requests, and maps their parameters to the types of the domain. Reports all violations together.</summary>
internal static class RequestValidation
{
    private const int MinCropSize = 16, MaxCropSize = 512;

    /// <exception cref="RpcException">INVALID_ARGUMENT naming every invalid field.</exception>
    public static (FeatureSet Set, TimeSpan Window, TimeSpan Hop) Validate(this ExtractSpeechRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        if (request.Audio.IsEmpty)
            violations.Add(("audio", "must not be empty"));
        if (request.Windows.Count > AudioLimits.MaxCallChannels)
            violations.Add(("windows", $"must have at most {AudioLimits.MaxCallChannels} channels"));
        var needsInput = request.Windows.Count == 0 || request.Windows.Contains(true);
        var set = needsInput ? ToFeatureSet("input.features", request.Input, violations) : default;
        var window = needsInput
            ? ToTimeSpan("input.window", request.Input?.Window, AudioLimits.MinWindow, AudioLimits.MaxWindow, violations)
            : AudioLimits.MaxWindow;
        var hop = ToTimeSpan("hop", request.Hop, AudioLimits.MinHop, AudioLimits.MaxHop, violations);
        return violations.Count == 0 ? (set, window, hop) : throw RpcErrors.InvalidArgument(violations);
    }

    /// <inheritdoc cref="Validate(ExtractSpeechRequest)"/>
    public static (CallFormat Format, CallAudioState? Resume) Validate(this CallConfig config)
    {
        var violations = new List<(string Field, string Description)>();
        var encoding = config.Encoding.ToDomain();
        if (encoding is null)
            violations.Add(("config.encoding", "must be L16, FLOAT32, MULAW or ALAW"));
        if (config.SampleRate is < AudioLimits.MinCallRate or > AudioLimits.MaxCallRate)
            violations.Add(("config.sample_rate", $"must be {AudioLimits.MinCallRate} to {AudioLimits.MaxCallRate} Hz"));
        if (config.Windows.Count is < 1 or > AudioLimits.MaxCallChannels)
            violations.Add(("config.windows", $"must have 1 to {AudioLimits.MaxCallChannels} channels"));
        var needsInput = config.Windows.Any(windows => windows);
        var set = needsInput ? ToFeatureSet("config.input.features", config.Input, violations) : default;
        var modelWindow = needsInput
            ? ToTimeSpan("config.input.window", config.Input?.Window, AudioLimits.MinWindow, AudioLimits.MaxWindow, violations)
            : AudioLimits.MaxWindow;
        var window = ToTimeSpan("config.window", config.Window, AudioLimits.MinWindow, modelWindow, violations);
        var hop = ToTimeSpan("config.hop", config.Hop, AudioLimits.MinHop, AudioLimits.MaxHop, violations);
        var format = new CallFormat(
            encoding ?? default, config.SampleRate, config.Windows, set,
            SpeechClip.Samples(modelWindow), SpeechClip.Samples(window), SpeechClip.Samples(hop));
        var resume = violations.Count == 0 ? config.Resume?.ToDomain(format, violations) : null;
        return violations.Count == 0 ? (format, resume) : throw RpcErrors.InvalidArgument(violations);
    }

    /// <returns>True if the crops are gray.</returns>
    /// <inheritdoc cref="Validate(ExtractSpeechRequest)"/>
    public static bool Validate(this ExtractFacesRequest request)
    {
        var violations = new List<(string Field, string Description)>();
        if (request.Image.IsEmpty)
            violations.Add(("image", "must not be empty"));
        if (request.Input?.Features is not (FeatureKind.Gray or FeatureKind.Rgb))
            violations.Add(("input.features", "must be GRAY or RGB"));
        if (request.Input?.Size is not (>= MinCropSize and <= MaxCropSize))
            violations.Add(("input.size", $"must be {MinCropSize} to {MaxCropSize} pixels"));
        return violations.Count == 0
            ? request.Input!.Features == FeatureKind.Gray
            : throw RpcErrors.InvalidArgument(violations);
    }

    private static FeatureSet ToFeatureSet(string field, ModelInput? input, List<(string Field, string Description)> violations)
    {
        FeatureSet? set = input?.Features switch
        {
            FeatureKind.MfccZcrRms => FeatureSet.MfccZcrRms,
            FeatureKind.MfccDeltaZcrRms => FeatureSet.MfccDeltaZcrRms,
            FeatureKind.LogMel => FeatureSet.LogMel,
            FeatureKind.LogMelZcrRms => FeatureSet.LogMelZcrRms,
            FeatureKind.WhisperLogMel => FeatureSet.WhisperLogMel,
            _ => null,
        };
        if (set is null)
            violations.Add((field, "must be MFCC_ZCR_RMS, MFCC_DELTA_ZCR_RMS, LOG_MEL, LOG_MEL_ZCR_RMS or WHISPER_LOG_MEL"));
        return set ?? default;
    }

    private static TimeSpan ToTimeSpan(
        string field, Duration? duration, TimeSpan min, TimeSpan max, List<(string Field, string Description)> violations)
    {
        if (duration.TryToTimeSpan(min, max, out var time))
            return time;
        violations.Add((field, $"must be {min.TotalSeconds} to {max.TotalSeconds} s"));
        return default;
    }
}
