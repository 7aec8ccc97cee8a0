using Microsoft.Extensions.Logging;

namespace Affect.Inference;

internal static partial class Log
{
    [LoggerMessage(EventName = "models.ready", Level = LogLevel.Information, Message = "Serving {Count} {Modality} models; the default is {Default}")]
    public static partial void ModelsReady(ILogger logger, int count, Modality modality, string @default);

    [LoggerMessage(EventName = "models.no_default", Level = LogLevel.Error, Message = "No default {Modality} model in {Path}: {Reason}")]
    public static partial void NoDefault(ILogger logger, Modality modality, string path, string reason);

    [LoggerMessage(EventName = "model.serving", Level = LogLevel.Information, Message = "Serving model {Model} version {Version} for {Share:P0} of the requests; loaded in {Duration}")]
    public static partial void ModelServing(ILogger logger, string model, string version, double share, TimeSpan duration);

    [LoggerMessage(EventName = "model.manifest_rejected", Level = LogLevel.Error, Message = "Rejected manifest {Path}: {Errors}")]
    public static partial void ManifestRejected(ILogger logger, string path, string errors);

    [LoggerMessage(EventName = "model.version_rejected", Level = LogLevel.Error, Message = "Rejected model {Model} version {Version}: {Reason}")]
    public static partial void VersionRejected(ILogger logger, string model, string version, string reason);

    [LoggerMessage(EventName = "model.excluded", Level = LogLevel.Error, Message = "Excluded model {Model}: it has no valid version")]
    public static partial void ModelExcluded(ILogger logger, string model);

    [LoggerMessage(EventName = "batch.failed", Level = LogLevel.Error, Message = "Batch of {Count} for {Model} failed")]
    public static partial void BatchFailed(ILogger logger, string model, int count, Exception exception);
}
