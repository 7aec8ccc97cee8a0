using System.Collections.Concurrent;
using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>
/// The boosted cascades of Viola and Jones (2001, in Lienhart's variant) of OpenCV: the fallback without YuNet. Detects upright frontal
/// faces, without landmarks or confidence.
/// </summary>
internal sealed class HaarDetector(string cascadePath) : FaceDetector
{
    /// <summary>Longest edge of the picture for detection, and the smallest face in it, in pixels.</summary>
    private const int Edge = 800, MinFace = 24;

    /// <summary>Small pictures are enlarged to this longest edge, and get a border a quarter as wide.</summary>
    private const int SmallEdge = 96;

    // OpenCV's cascade serves one caller at a time. The number of callers bounds the pool.
    private readonly ConcurrentBag<CascadeClassifier> _idle = [];

    /// <summary>Path of the frontal cascade with the fewest false detections.</summary>
    public static string CascadePath(string folder) => Path.Combine(folder, "haarcascade_frontalface_alt2.xml");

    public override IReadOnlyList<DetectedFace> Detect(Mat picture)
    {
        var longest = Math.Max(picture.Width, picture.Height);
        var scale = Math.Clamp(longest, SmallEdge, Edge) / (double)longest;
        var border = longest <= SmallEdge ? SmallEdge / 4 : 0;

        using var gray = picture.CvtColor(ColorConversionCodes.BGR2GRAY);
        using var copy = gray.Resize(
            default, scale, scale, scale < 1 ? InterpolationFlags.Area : InterpolationFlags.Cubic);
        Cv2.EqualizeHist(copy, copy);
        using var canvas = copy.CopyMakeBorder(border, border, border, border, BorderTypes.Replicate);

        if (!_idle.TryTake(out var cascade))
            cascade = new CascadeClassifier(cascadePath);
        var boxes = cascade.DetectMultiScale(canvas, scaleFactor: 1.1, minNeighbors: 3, minSize: new Size(MinFace, MinFace));
        _idle.Add(cascade);

        return Array.ConvertAll(boxes, box => new DetectedFace(
            new Rect2f(
                (float)((box.X - border) / scale), (float)((box.Y - border) / scale),
                (float)(box.Width / scale), (float)(box.Height / scale)),
            Confidence: 1,
            Landmarks: null));
    }

    public override void Dispose()
    {
        while (_idle.TryTake(out var cascade))
            cascade.Dispose();
    }
}
