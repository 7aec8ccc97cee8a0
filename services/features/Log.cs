namespace Affect.Features;

/// <summary>Log messages. None contains media.</summary>
internal static partial class Log
{
    [LoggerMessage(EventName = "faces.detector.yunet", Level = LogLevel.Information, Message = "Faces are detected by YuNet ({Path})")]
    public static partial void DetectorIsYuNet(ILogger logger, string path);

    [LoggerMessage(EventName = "faces.detector.haar", Level = LogLevel.Warning,
        Message = "Features:FaceDetectorPath ({Path}) is not a file; falling back to the Haar cascade {Cascade}, which detects fewer faces")]
    public static partial void DetectorIsHaar(ILogger logger, string path, string cascade);

    [LoggerMessage(EventName = "audio.ffmpeg.missing", Level = LogLevel.Warning,
        Message = "ffmpeg ('{Program}') is not installed: audio other than WAV, and GIF, TIFF, HEIC and AVIF, get UNAVAILABLE")]
    public static partial void FfmpegMissing(ILogger logger, string program);
}
