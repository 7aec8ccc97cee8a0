namespace Affect.Features;

internal static partial class Log
{
    [LoggerMessage(EventName = "faces.detector.yunet", Level = LogLevel.Information, Message = "Faces are found by YuNet ({Path})")]
    public static partial void DetectorIsYuNet(ILogger logger, string path);

    [LoggerMessage(EventName = "faces.detector.haar", Level = LogLevel.Warning,
        Message = "Features:FaceDetectorPath ({Path}) names no file: faces are found by the Haar cascade {Cascade}, which sees fewer")]
    public static partial void DetectorIsHaar(ILogger logger, string path, string cascade);

    [LoggerMessage(EventName = "audio.ffmpeg.missing", Level = LogLevel.Warning,
        Message = "There is no ffmpeg ('{Program}'): audio other than WAV is answered with UNAVAILABLE")]
    public static partial void FfmpegMissing(ILogger logger, string program);
}
