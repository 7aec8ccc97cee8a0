using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>A detected face, in pixels of the picture; the box may extend beyond it.</summary>
/// <param name="Box">From brow or hairline to chin, depending on the detector.</param>
/// <param name="Confidence">[0, 1]; 1 if the detector reports none.</param>
/// <param name="Landmarks">
/// Null, or five points in the order of <see cref="FaceCropper"/>: left eye, right eye, nose tip, left and right corner of the mouth,
/// as seen in the picture.
/// </param>
internal sealed record DetectedFace(Rect2f Box, float Confidence, Point2f[]? Landmarks);

/// <summary>Detects the faces of a picture. Thread-safe.</summary>
internal abstract class FaceDetector : IDisposable
{
    /// <summary>Detects all faces, in any order.</summary>
    /// <param name="picture">8 bits, BGR.</param>
    public abstract IReadOnlyList<DetectedFace> Detect(Mat picture);

    public abstract void Dispose();
}
