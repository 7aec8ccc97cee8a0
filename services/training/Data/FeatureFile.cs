using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Affect.Training.Data;

/// <summary>
/// The features of all clips, computed once for all protocols and models: version 0 without augmentation, the others with. Stored as
/// float16, [clip][version][value].
/// </summary>
internal sealed class FeatureFile
{
    private readonly SafeFileHandle _file;
    private readonly int _length;

    private FeatureFile(SafeFileHandle file, int versions, int length) => (_file, Versions, _length) = (file, versions, length);

    /// <summary>Computes the features of a clip: [version][value].</summary>
    public delegate void Compute(int clip, Span<float> destination);

    /// <summary>Versions of each clip, the one without augmentation included.</summary>
    public int Versions { get; }

    /// <summary>Opens a file, and computes it first if it does not exist or has another size.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="clips">Number of clips.</param>
    /// <param name="versions">Versions of each clip.</param>
    /// <param name="length">Values of one version.</param>
    /// <param name="compute">Called concurrently.</param>
    /// <param name="progress">Clips done, and all.</param>
    /// <param name="cancellation">Stops the computation.</param>
    public static FeatureFile Open(
        string path, int clips, int versions, int length, Compute compute, Action<int, int> progress, CancellationToken cancellation)
    {
        var size = (long)clips * versions * length * Marshal.SizeOf<Half>();
        if (!File.Exists(path) || new FileInfo(path).Length != size)
        {
            var temporary = path + ".new";
            using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, preallocationSize: size))
            {
                var done = 0;
                Parallel.For(0, clips, new ParallelOptions
                {
                    CancellationToken = cancellation,
                    MaxDegreeOfParallelism = Environment.ProcessorCount, // the thread pool would add threads without limit
                }, clip =>
                {
                    var (values, halves) = (new float[versions * length], new Half[versions * length]);
                    compute(clip, values);
                    TensorPrimitives.ConvertToHalf(values, halves);
                    RandomAccess.Write(file, MemoryMarshal.AsBytes<Half>(halves), Offset(clip, 0, versions, length));

                    lock (progress)
                        progress(++done, clips);
                });
            }

            File.Move(temporary, path, overwrite: true);
        }

        return new(File.OpenHandle(path), versions, length);
    }

    /// <summary>Reads the features of a clip and version, or the first of them into a shorter destination.</summary>
    public void Read(int clip, int version, Span<float> destination)
    {
        var halves = new Half[destination.Length];
        var bytes = MemoryMarshal.AsBytes(halves.AsSpan());
        var offset = Offset(clip, version, Versions, _length);
        for (var read = 0; read < bytes.Length;)
            read += RandomAccess.Read(_file, bytes[read..], offset + read) is > 0 and var count ? count
                : throw new EndOfStreamException("the file of features is truncated");
        TensorPrimitives.ConvertToSingle(halves, destination);
    }

    private static long Offset(int clip, int version, int versions, int length) =>
        ((long)clip * versions + version) * length * Marshal.SizeOf<Half>();
}
