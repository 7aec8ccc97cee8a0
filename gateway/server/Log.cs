using Affect.Gateway.Access;

namespace Affect.Gateway;

/// <summary>No media, no scores, no keys: who was refused what, and what failed.</summary>
internal static partial class Log
{
    public static void RequestRefused(ILogger logger, HttpContext context, string reason)
    {
        var caller = context.Caller().Name;
        string path = context.Request.Path;
        RequestRefused(logger, path, caller, reason);
    }

    [LoggerMessage(EventName = "request.refused", Level = LogLevel.Information,
        Message = "{Path} refused to {Caller}: {Reason}")]
    private static partial void RequestRefused(ILogger logger, string path, string caller, string reason);

    [LoggerMessage(EventName = "request.failed", Level = LogLevel.Error, Message = "{Path} failed")]
    public static partial void RequestFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(EventName = "events.dropped", Level = LogLevel.Warning,
        Message = "{Count} events of calls were dropped ({Reason}); further ones are counted, and told of in a minute")]
    public static partial void EventsDropped(ILogger logger, long count, string reason);

    [LoggerMessage(EventName = "events.waiting", Level = LogLevel.Warning,
        Message = "The broker takes no events of calls, and calls wait for it")]
    public static partial void EventsWaiting(ILogger logger);

    [LoggerMessage(EventName = "events.refused", Level = LogLevel.Warning, Message = "An event from {Address} was refused: {Reason}")]
    public static partial void EventRefused(ILogger logger, System.Net.IPAddress? address, string reason);
}
