using Google.Protobuf;

namespace Affect.Client;

/// <summary>The bytes of one audio file or picture, in its file format.</summary>
public sealed class Media
{
    private readonly Func<CancellationToken, Task<ByteString>> _read;

    private Media(Func<CancellationToken, Task<ByteString>> read) => _read = read;

    /// <summary>Bytes in memory. They are not copied and must not change during a request.</summary>
    public static Media FromBytes(ReadOnlyMemory<byte> bytes) =>
        new(_ => Task.FromResult(UnsafeByteOperations.UnsafeWrap(bytes)));

    /// <summary>A file, which is read when a request starts; the request throws the exceptions of reading.</summary>
    public static Media FromFile(string path) =>
        new(async cancellation => UnsafeByteOperations.UnsafeWrap(await File.ReadAllBytesAsync(path, cancellation).ConfigureAwait(false)));

    /// <summary>A stream, which is read from its position to its end when a request starts. It stays open and serves one request.</summary>
    public static Media FromStream(Stream stream) => new(cancellation => ByteString.FromStreamAsync(stream, cancellation));

    /// <inheritdoc cref="FromBytes"/>
    public static implicit operator Media(byte[] bytes) => FromBytes(bytes);

    internal Task<ByteString> ReadAsync(CancellationToken cancellation) => _read(cancellation);
}
