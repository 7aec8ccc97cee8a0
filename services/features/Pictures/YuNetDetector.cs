using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>
/// YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV, at two scales: it was trained on faces of
/// 10 to 300 pixels, so large faces are detected in a small copy of the picture and small faces in a larger one.
/// </summary>
internal sealed class YuNetDetector : FaceDetector
{
    /// <summary>
    /// The small copy: the picture fits into the inner edge, surrounded by black. Without that margin, faces at the edge of the picture
    /// are missed; of the sizes tried on FER2013, this one detected the most faces.
    /// </summary>
    private const int CoarseEdge = 320, CoarseInnerEdge = 224;

    /// <summary>Detections with a larger overlap (shared area divided by the smaller box) are one face.</summary>
    private const float SameFace = 0.5f;

    /// <summary>Pixels of the idle detectors that are kept; one for 1024 × 1024 pixels holds 58 MB.</summary>
    private const int MaxIdlePixels = 2 << 20;

    private readonly string _modelPath;
    private readonly float _minConfidence;
    private readonly int _fineEdge;

    // OpenCV's detector serves one size and one caller at a time. Most recently used first.
    private readonly LinkedList<(Size Size, FaceDetectorYN Detector)> _idle = [];

    /// <param name="modelPath">Path of face_detection_yunet_2023mar.onnx.</param>
    /// <param name="minConfidence">Detections with a lower confidence are discarded, [0, 1].</param>
    /// <param name="fineEdge">Longest edge of the larger copy in pixels.</param>
    public YuNetDetector(string modelPath, float minConfidence, int fineEdge)
    {
        _modelPath = modelPath;
        _minConfidence = minConfidence;
        _fineEdge = fineEdge;
    }

    /// <summary>True if the file is a model that runs.</summary>
    public static bool CanRead(string modelPath)
    {
        try
        {
            using var detector = new YuNetDetector(modelPath, minConfidence: 1, fineEdge: CoarseEdge);
            using var picture = new Mat(CoarseInnerEdge, CoarseInnerEdge, MatType.CV_8UC3, Scalar.Black);
            detector.Detect(picture);
            return true;
        }
        catch (OpenCVException)
        {
            return false;
        }
    }

    public override IReadOnlyList<DetectedFace> Detect(Mat picture)
    {
        var found = new List<DetectedFace>();
        var longest = Math.Max(picture.Width, picture.Height);

        var coarse = (float)CoarseInnerEdge / longest;
        using (var copy = Scaled(picture, coarse))
        using (var canvas = new Mat())
        {
            var left = (CoarseEdge - copy.Width) / 2;
            var top = (CoarseEdge - copy.Height) / 2;
            Cv2.CopyMakeBorder(
                copy, canvas, top, CoarseEdge - copy.Height - top, left, CoarseEdge - copy.Width - left,
                BorderTypes.Constant, Scalar.Black);
            DetectIn(canvas, coarse, left, top, found);
        }

        if (longest > CoarseInnerEdge)
        {
            var fine = Math.Min(1f, (float)_fineEdge / longest);
            using var copy = Scaled(picture, fine);
            DetectIn(copy, fine, 0, 0, found);
        }

        return Distinct(found);
    }

    public override void Dispose()
    {
        foreach (var (_, detector) in _idle)
            detector.Dispose();
        _idle.Clear();
    }

    private static Mat Scaled(Mat picture, float scale) => picture.Resize(
        new Size(Math.Max(1, MathF.Round(picture.Width * scale)), Math.Max(1, MathF.Round(picture.Height * scale))),
        interpolation: scale < 1 ? InterpolationFlags.Area : InterpolationFlags.Cubic);

    /// <summary>Sorts by confidence, and keeps the most confident of overlapping detections.</summary>
    private static List<DetectedFace> Distinct(List<DetectedFace> found)
    {
        found.Sort((a, b) => b.Confidence.CompareTo(a.Confidence));
        var kept = new List<DetectedFace>(found.Count);
        foreach (var face in found)
        {
            if (!kept.Exists(other => Overlap(face.Box, other.Box) > SameFace))
                kept.Add(face);
        }

        return kept;

        static float Overlap(Rect2f a, Rect2f b)
        {
            var shared = a & b;
            return shared.Width * shared.Height / Math.Min(a.Width * a.Height, b.Width * b.Height);
        }
    }

    /// <summary>Adds the faces of a copy of the picture, in pixels of the picture.</summary>
    private void DetectIn(Mat copy, float scale, int left, int top, List<DetectedFace> found)
    {
        var size = copy.Size();
        var detector = Rent(size);
        using var rows = new Mat();
        try
        {
            detector.Detect(copy, rows);
        }
        finally
        {
            Return(size, detector);
        }

        // One face per row: box, five points, score. "Right eye" in the documentation is that of the person.
        if (rows.Empty())
            return;
        rows.GetArray(out float[] values);
        for (var row = 0; row < values.Length; row += 15)
        {
            var box = new Rect2f(X(0), Y(1), values[row + 2] / scale, values[row + 3] / scale);
            Point2f[] landmarks = [new(X(4), Y(5)), new(X(6), Y(7)), new(X(8), Y(9)), new(X(10), Y(11)), new(X(12), Y(13))];
            if (box.Width > 0 && box.Height > 0)
                found.Add(new DetectedFace(box, values[row + 14], landmarks));

            float X(int column) => (values[row + column] - left) / scale;
            float Y(int column) => (values[row + column] - top) / scale;
        }
    }

    private FaceDetectorYN Rent(Size size)
    {
        lock (_idle)
        {
            for (var node = _idle.First; node is not null; node = node.Next)
            {
                if (node.Value.Size == size)
                {
                    _idle.Remove(node);
                    return node.Value.Detector;
                }
            }
        }

        // Non-maximum suppression with the parameters of YuNet's authors.
        return FaceDetectorYN.Create(_modelPath, "", size, _minConfidence, nmsThreshold: 0.3f, topK: 5000);
    }

    private void Return(Size size, FaceDetectorYN detector)
    {
        var surplus = new List<FaceDetectorYN>();
        lock (_idle)
        {
            _idle.AddFirst((size, detector));
            for (var pixels = _idle.Sum(idle => idle.Size.Width * idle.Size.Height); pixels > MaxIdlePixels && _idle.Count > 1;)
            {
                var (last, oldest) = _idle.Last!.Value;
                surplus.Add(oldest);
                _idle.RemoveLast();
                pixels -= last.Width * last.Height;
            }
        }

        surplus.ForEach(idle => idle.Dispose());
    }
}
