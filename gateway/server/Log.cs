using Affect.Gateway.Access;

namespace Affect.Gateway;

/// <summary>Log messages. They contain no media, scores or keys.</summary>
internal static partial class Log
{
    public static void RequestRejected(ILogger logger, HttpContext context, string reason)
    {
        var client = context.GetClient().Name;
        string path = context.Request.Path;
        RequestRejected(logger, path, client, reason);
    }

    [LoggerMessage(EventName = "request.rejected", Level = LogLevel.Information,
        Message = "Rejected {Path} for {Client}: {Reason}")]
    private static partial void RequestRejected(ILogger logger, string path, string client, string reason);

    [LoggerMessage(EventName = "request.failed", Level = LogLevel.Error, Message = "Request {Path} failed")]
    public static partial void RequestFailed(ILogger logger, string path, Exception exception);

    [LoggerMessage(EventName = "identity.failed", Level = LogLevel.Warning, Message = "The keys of {Authority} cannot be fetched: {Reason}")]
    public static partial void IdentityProviderFailed(ILogger logger, string authority, string reason);

    [LoggerMessage(EventName = "events.dropped", Level = LogLevel.Warning,
        Message = "Dropped {Count} call events ({Reason}); the next report follows in a minute at the earliest")]
    public static partial void EventsDropped(ILogger logger, long count, string reason);

    [LoggerMessage(EventName = "events.waiting", Level = LogLevel.Warning,
        Message = "The broker accepts no call events; calls wait until it does")]
    public static partial void EventsWaiting(ILogger logger);

    [LoggerMessage(EventName = "events.rejected", Level = LogLevel.Warning, Message = "Rejected an event from {Address}: {Reason}")]
    public static partial void EventRejected(ILogger logger, System.Net.IPAddress? address, string reason);
}
