using Grpc.Core;

namespace Affect.Fusion;

/// <summary>No media, no scores: what failed, and how.</summary>
internal static partial class Log
{
    [LoggerMessage(EventName = "modality.unavailable", Level = LogLevel.Warning,
        Message = "{Modality} is unavailable for a clip: {Status}")]
    public static partial void ModalityUnavailable(ILogger logger, string modality, StatusCode status);

    [LoggerMessage(EventName = "request.lost", Level = LogLevel.Warning,
        Message = "{Lost} of {Requests} {Modality} requests of a clip were lost, last with {Status}")]
    public static partial void RequestsLost(ILogger logger, int lost, int requests, string modality, StatusCode status);

    [LoggerMessage(EventName = "models.changed", Level = LogLevel.Information,
        Message = "The {Modality} model '{Model}' takes another input than it did; its description is fetched anew")]
    public static partial void ModelChanged(ILogger logger, string modality, string model);

    [LoggerMessage(EventName = "call.stalled", Level = LogLevel.Information,
        Message = "Nothing more came of call {Session}; it is ended with its summary")]
    public static partial void CallStalled(ILogger logger, string session);

    [LoggerMessage(EventName = "window.lost", Level = LogLevel.Warning,
        Message = "A window of call {Session} is lost: {Status}")]
    public static partial void WindowLost(ILogger logger, string session, StatusCode status);

    [LoggerMessage(EventName = "policy.agent_emotion", Level = LogLevel.Warning,
        Message = "Fusion:AgentEmotion is on: call {Session} is searched for the emotion of somebody who is no customer")]
    public static partial void AgentJudged(ILogger logger, string session);
}
