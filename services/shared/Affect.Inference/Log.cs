using Microsoft.Extensions.Logging;

namespace Affect.Inference;

internal static partial class Log
{
    [LoggerMessage(EventName = "models.ready", Level = LogLevel.Information, Message = "{Count} {Modality} models serve, {Default} is the default")]
    public static partial void ModelsReady(ILogger logger, int count, Modality modality, string @default);

    [LoggerMessage(EventName = "models.none", Level = LogLevel.Error, Message = "No default {Modality} model serves from {Path}: {Reason}")]
    public static partial void NoDefault(ILogger logger, Modality modality, string path, string reason);

    [LoggerMessage(EventName = "model.serves", Level = LogLevel.Information, Message = "Model {Model} version {Version} serves {Share:P0} of the calls, warmed up in {Duration}")]
    public static partial void ModelServes(ILogger logger, string model, string version, double share, TimeSpan duration);

    [LoggerMessage(EventName = "model.manifest_refused", Level = LogLevel.Error, Message = "{Path} is refused: {Mistakes}")]
    public static partial void ManifestRefused(ILogger logger, string path, string mistakes);

    [LoggerMessage(EventName = "model.version_refused", Level = LogLevel.Error, Message = "Model {Model} version {Version} is refused: {Reason}")]
    public static partial void VersionRefused(ILogger logger, string model, string version, string reason);

    [LoggerMessage(EventName = "model.left_out", Level = LogLevel.Error, Message = "Model {Model} is left out: none of its versions is good")]
    public static partial void ModelLeftOut(ILogger logger, string model);

    [LoggerMessage(EventName = "batch.failed", Level = LogLevel.Error, Message = "A batch of {Count} for {Model} failed")]
    public static partial void BatchFailed(ILogger logger, string model, int count, Exception exception);
}
