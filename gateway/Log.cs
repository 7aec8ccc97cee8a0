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
}
