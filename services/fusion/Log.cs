using Grpc.Core;

namespace Affect.Fusion;

/// <summary>Log messages. None contains media or scores.</summary>
internal static partial class Log
{
    [LoggerMessage(EventName = "modality.unavailable", Level = LogLevel.Warning,
        Message = "{Modality} is unavailable for a clip: {Status}")]
    public static partial void ModalityUnavailable(ILogger logger, string modality, StatusCode status);

    [LoggerMessage(EventName = "request.lost", Level = LogLevel.Warning,
        Message = "{Lost} of {Requests} {Modality} requests of a clip were lost, last with {Status}")]
    public static partial void RequestsLost(ILogger logger, int lost, int requests, string modality, StatusCode status);

    [LoggerMessage(EventName = "models.changed", Level = LogLevel.Information,
        Message = "The input of the {Modality} model '{Model}' has changed; its description is fetched again")]
    public static partial void ModelChanged(ILogger logger, string modality, string model);

    [LoggerMessage(EventName = "call.stalled", Level = LogLevel.Information,
        Message = "Call {Session} stalled and was ended with its summary")]
    public static partial void CallStalled(ILogger logger, string session);

    [LoggerMessage(EventName = "window.lost", Level = LogLevel.Warning,
        Message = "A window of call {Session} was lost: {Status}")]
    public static partial void WindowLost(ILogger logger, string session, StatusCode status);

    [LoggerMessage(EventName = "checkpoint.key_generated", Level = LogLevel.Warning,
        Message = "Fusion:CheckpointKeys is empty: calls can be resumed in this process alone, not after a restart or in another replica")]
    public static partial void CheckpointKeyGenerated(ILogger logger);

    [LoggerMessage(EventName = "policy.agent_emotion", Level = LogLevel.Warning,
        Message = "Fusion:AgentEmotion is on: emotion inference is enabled for a non-customer channel of call {Session}")]
    public static partial void AgentEmotionEnabled(ILogger logger, string session);

    [LoggerMessage(EventName = "policy.agent_emotion_clip", Level = LogLevel.Warning,
        Message = "Fusion:AgentEmotion is on: emotion inference is enabled for a non-customer channel of a clip")]
    public static partial void AgentEmotionEnabledForClip(ILogger logger);
}
