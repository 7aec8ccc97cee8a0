using OpenCvSharp;

namespace Affect.Features.Pictures;

/// <summary>One face that a detector found, in pixels of the picture; the box may reach out of it.</summary>
/// <param name="Box">From brow or hairline to chin, as the detector draws it.</param>
/// <param name="Confidence">[0, 1]; 1 where the detector gives none.</param>
/// <param name="Landmarks">
/// Null, or five points in the order of <see cref="FaceCropper"/>: the eye, on the left of the picture,
/// the other eye, nose tip, left and right corner of the mouth.
/// </param>
internal sealed record DetectedFace(Rect2f Box, float Confidence, Point2f[]? Landmarks);

/// <summary>Finds the faces of a picture. Safe to share between threads.</summary>
internal abstract class FaceDetector : IDisposable
{
    /// <summary>All faces, in any order, each once.</summary>
    /// <param name="picture">8 bits, BGR.</param>
    public abstract IReadOnlyList<DetectedFace> Detect(Mat picture);

    public abstract void Dispose();
}
