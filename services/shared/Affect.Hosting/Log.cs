using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

internal static partial class Log
{
    [LoggerMessage(EventName = "request.failed", Level = LogLevel.Error, Message = "{Method} failed")]
    public static partial void RequestFailed(ILogger logger, string method, Exception exception);
}
