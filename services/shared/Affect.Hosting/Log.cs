using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

internal static partial class Log
{
    [LoggerMessage(EventName = "call.failed", Level = LogLevel.Error, Message = "{Method} failed")]
    public static partial void CallFailed(ILogger logger, string method, Exception exception);
}
