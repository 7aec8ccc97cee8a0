using Google.Protobuf;

namespace Affect.Client;

/// <summary>The bytes of one audio file or picture, in the format they are stored in.</summary>
public sealed class Media
{
    private readonly Func<CancellationToken, Task<ByteString>> _read;

    private Media(Func<CancellationToken, Task<ByteString>> read) => _read = read;

    /// <summary>Bytes in memory; they are not copied, so leave them as they are while a call runs.</summary>
    public static Media FromBytes(ReadOnlyMemory<byte> bytes) =>
        new(_ => Task.FromResult(UnsafeByteOperations.UnsafeWrap(bytes)));

    /// <summary>A file, read when a call begins; what reading throws comes out of the call.</summary>
    public static Media FromFile(string path) =>
        new(async cancellation => UnsafeByteOperations.UnsafeWrap(await File.ReadAllBytesAsync(path, cancellation).ConfigureAwait(false)));

    /// <summary>A stream, read from where it stands to its end when a call begins. It stays open, and serves one call only.</summary>
    public static Media FromStream(Stream stream) => new(cancellation => ByteString.FromStreamAsync(stream, cancellation));

    /// <inheritdoc cref="FromBytes"/>
    public static implicit operator Media(byte[] bytes) => FromBytes(bytes);

    internal Task<ByteString> ReadAsync(CancellationToken cancellation) => _read(cancellation);
}
