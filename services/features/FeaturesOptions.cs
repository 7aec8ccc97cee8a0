using System.ComponentModel.DataAnnotations;
using Affect.Features.Pictures;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.Features;

/// <summary>Decoders, detectors and limits of features: section <c>Features</c>.</summary>
public sealed class FeaturesOptions
{
    /// <summary>Largest memory of the process and of ffmpeg for one audio file or picture, in bytes.</summary>
    private const long MaxFileMemory = 300 << 20;

    /// <summary>Path of YuNet (face_detection_yunet_2023mar.onnx). Without it, the Haar cascade detects faces.</summary>
    public string? FaceDetectorPath { get; set; }

    /// <summary>Folder of OpenCV's Haar cascades (package opencv-data).</summary>
    [Required]
    public string HaarCascadesPath { get; set; } = "/usr/share/opencv4/haarcascades";

    /// <summary>Detections of YuNet with a lower confidence are discarded, [0.1, 1].</summary>
    [Range(0.1, 1)]
    public float MinFaceConfidence { get; set; } = 0.7f;

    /// <summary>
    /// Larger pictures are reduced to this longest edge for detection, in pixels. Time and memory grow with its square; faces smaller
    /// than a hundredth of it are not detected.
    /// </summary>
    [Range(320, 2048)]
    public int DetectionEdge { get; set; } = 1024;

    /// <summary>Maximum number of faces of a picture; the largest are kept.</summary>
    [Range(1, 1000)]
    public int MaxFaces { get; set; } = 100;

    /// <summary>The ffmpeg program: a path, or a name that is searched for in PATH.</summary>
    [Required]
    public string FfmpegPath { get; set; } = "ffmpeg";

    /// <summary>Time after which ffmpeg is stopped.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan DecodeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Maximum duration of an audio file.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "01:00:00")]
    public TimeSpan MaxAudioDuration { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Audio files and pictures that are processed concurrently; each takes a core, and up to 300 MiB: by default as many as there are
    /// cores and as fit into half of the memory.
    /// </summary>
    [Range(1, 256)]
    public int MaxConcurrency { get; set; } = (int)Math.Clamp(
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 / MaxFileMemory, 1, Math.Min(256, Environment.ProcessorCount));

    /// <summary>Bytes of audio files and pictures, also of waiting ones; one tenant has at most half. Beyond it: RESOURCE_EXHAUSTED.</summary>
    [Range(2 * FeaturesHosting.MaxRequestBytes, int.MaxValue)]
    public int MaxPendingBytes { get; set; } = 256 << 20;

    /// <summary>Audio files and pictures that wait; beyond it requests get RESOURCE_EXHAUSTED with RetryInfo.</summary>
    [Range(0, 10_000)]
    public int MaxWaiting { get; set; } = 64;

    /// <summary>Concurrent calls; beyond it requests get RESOURCE_EXHAUSTED with RetryInfo. Each call holds about 0.2 MB per channel with windows.</summary>
    [Range(1, 100_000)]
    public int MaxCalls { get; set; } = 4_000;
}

[OptionsValidator]
internal sealed partial class FeaturesOptionsValidator : IValidateOptions<FeaturesOptions>;

/// <summary>Checks at start that the files and libraries exist, so that the first picture does not fail.</summary>
internal sealed class FeaturesRequirements : IValidateOptions<FeaturesOptions>
{
    public ValidateOptionsResult Validate(string? name, FeaturesOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        var native = true;
        try
        {
            Cv2.GetVersionString();
        }
        catch (Exception exception) when (exception is DllNotFoundException or TypeInitializationException or OpenCvSharpException)
        {
            native = false;
            result.AddError(
                "OpenCV's native library cannot be loaded: install libgtk-3-0 (libgtk-3-0t64 on Debian 13 and Ubuntu 24.04), libdrm2 and libatomic1.");
        }

        if (native && File.Exists(options.FaceDetectorPath) && !YuNetDetector.CanRead(options.FaceDetectorPath))
            result.AddError($"Features:FaceDetectorPath must be face_detection_yunet_2023mar.onnx; '{options.FaceDetectorPath}' cannot be loaded.");
        if (!File.Exists(options.FaceDetectorPath) && !File.Exists(HaarDetector.CascadePath(options.HaarCascadesPath)))
        {
            result.AddError(
                $"Features:FaceDetectorPath must be a file, or Features:HaarCascadesPath a folder with {Path.GetFileName(HaarDetector.CascadePath(""))} "
                + $"(package opencv-data); they are '{options.FaceDetectorPath}' and '{options.HaarCascadesPath}'.");
        }

        return result.Build();
    }
}
