using Affect.Gateway.Access;

namespace Affect.Gateway;

/// <summary>Log messages. They contain no media, scores or keys.</summary>
internal static partial class Log
{
    public static void RequestRefused(ILogger logger, HttpContext context, string reason)
    {
        var client = context.GetClient().Name;
        string path = context.Request.Path;
        RequestRefused(logger, path, client, reason);
    }

    [LoggerMessage(EventName = "request.refused", Level = LogLevel.Information,
        Message = "Refused {Path} for {Client}: {Reason}")]
    private static partial void RequestRefused(ILogger logger, string path, string client, string reason);

    [LoggerMessage(EventName = "request.failed", Level = LogLevel.Error, Message = "Request {Path} failed")]
    public static partial void RequestFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(EventName = "events.dropped", Level = LogLevel.Warning,
        Message = "Dropped {Count} call events ({Reason}); the next report follows in a minute at the earliest")]
    public static partial void EventsDropped(ILogger logger, long count, string reason);

    [LoggerMessage(EventName = "events.waiting", Level = LogLevel.Warning,
        Message = "The broker accepts no call events; calls wait until it does")]
    public static partial void EventsWaiting(ILogger logger);

    [LoggerMessage(EventName = "events.refused", Level = LogLevel.Warning, Message = "Refused an event from {Address}: {Reason}")]
    public static partial void EventRefused(ILogger logger, System.Net.IPAddress? address, string reason);
}
