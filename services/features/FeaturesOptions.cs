using System.ComponentModel.DataAnnotations;
using Affect.Features.Pictures;
using Microsoft.Extensions.Options;
using OpenCvSharp;

namespace Affect.Features;

/// <summary>How media are opened: section <c>Features</c>.</summary>
public sealed class FeaturesOptions
{
    /// <summary>YuNet's file (face_detection_yunet_2023mar.onnx); where there is none, the Haar cascades find the faces.</summary>
    public string? FaceDetectorPath { get; set; }

    /// <summary>Folder of OpenCV's Haar cascades (package opencv-data).</summary>
    [Required]
    public string HaarCascadesPath { get; set; } = "/usr/share/opencv4/haarcascades";

    /// <summary>A find of which YuNet is less sure is no face, [0.1, 1].</summary>
    [Range(0.1, 1)]
    public float MinFaceConfidence { get; set; } = 0.7f;

    /// <summary>
    /// Larger pictures are searched on a copy with this longest edge, in pixels. Time and memory grow with
    /// its square; faces below a hundredth of it are not seen.
    /// </summary>
    [Range(320, 2048)]
    public int DetectionEdge { get; set; } = 1024;

    /// <summary>Of a picture with more faces the largest are taken.</summary>
    [Range(1, 1000)]
    public int MaxFaces { get; set; } = 100;

    /// <summary>The ffmpeg program: a path, or a name to be looked up in PATH.</summary>
    [Required]
    public string FfmpegPath { get; set; } = "ffmpeg";

    /// <summary>After this time ffmpeg is stopped.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan DecodeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longer audio is refused.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "01:00:00")]
    public TimeSpan MaxAudioDuration { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Files that are decoded and pictures that are searched at once; each takes a core, and up to
    /// some 300 MB where it is as large as the limits allow.
    /// </summary>
    [Range(1, 256)]
    public int MaxConcurrency { get; set; } = Math.Min(256, Environment.ProcessorCount);

    /// <summary>Requests that wait for their turn; beyond them the answer is RESOURCE_EXHAUSTED.</summary>
    [Range(0, 10_000)]
    public int MaxWaiting { get; set; } = 64;

    /// <summary>Concurrent calls. One more is answered with RESOURCE_EXHAUSTED. Each holds about 0.2 MB per channel with windows.</summary>
    [Range(1, 100_000)]
    public int MaxCalls { get; set; } = 4_000;
}

[OptionsValidator]
internal sealed partial class FeaturesOptionsValidator : IValidateOptions<FeaturesOptions>;

/// <summary>What the options name must be there: found out at start, not by the first picture.</summary>
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
            result.AddError($"Features:FaceDetectorPath ('{options.FaceDetectorPath}') is no face detector; face_detection_yunet_2023mar.onnx is.");
        if (!File.Exists(options.FaceDetectorPath) && !File.Exists(HaarDetector.CascadePath(options.HaarCascadesPath)))
        {
            result.AddError(
                $"No face detector: Features:FaceDetectorPath ('{options.FaceDetectorPath}') names no file, and Features:HaarCascadesPath "
                + $"('{options.HaarCascadesPath}') holds no {Path.GetFileName(HaarDetector.CascadePath(""))} (package opencv-data).");
        }

        return result.Build();
    }
}
