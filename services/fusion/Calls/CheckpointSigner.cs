using System.Security.Cryptography;
using Affect.Fusion.V1;
using Google.Protobuf;

namespace Affect.Fusion.Calls;

/// <summary>
/// Signs the checkpoints of calls and verifies those that clients return: HMAC-SHA256 of the state, then the state. Thread-safe.
/// </summary>
internal sealed class CheckpointSigner
{
    /// <summary>Largest checkpoint: the limit of a client's message.</summary>
    private const int MaxBytes = 1 << 20;

    /// <summary>The first key signs; every key verifies.</summary>
    private readonly IReadOnlyList<byte[]> _keys;

    public CheckpointSigner(FusionOptions options, ILogger<CheckpointSigner> logger)
    {
        if (options.CheckpointKeys.Count > 0)
        {
            _keys = [.. options.CheckpointKeys.Select(Convert.FromBase64String)];
            return;
        }
        _keys = [RandomNumberGenerator.GetBytes(FusionOptions.MinCheckpointKeyBytes)];
        Log.CheckpointKeyGenerated(logger);
    }

    public ByteString Sign(CallState state)
    {
        var checkpoint = new byte[HMACSHA256.HashSizeInBytes + state.CalculateSize()];
        var content = checkpoint.AsSpan(HMACSHA256.HashSizeInBytes);
        state.WriteTo(content);
        HMACSHA256.HashData(_keys[0], content, checkpoint);
        return UnsafeByteOperations.UnsafeWrap(checkpoint);
    }

    /// <summary>Returns the bytes of the signed state; empty if the checkpoint is not signed with one of the keys.</summary>
    public ReadOnlySpan<byte> Verify(ByteString checkpoint)
    {
        if (checkpoint.Length is < HMACSHA256.HashSizeInBytes or > MaxBytes)
            return [];
        var signature = checkpoint.Span[..HMACSHA256.HashSizeInBytes];
        var content = checkpoint.Span[HMACSHA256.HashSizeInBytes..];
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        foreach (var key in _keys)
        {
            HMACSHA256.HashData(key, content, expected);
            if (CryptographicOperations.FixedTimeEquals(expected, signature))
                return content;
        }

        return [];
    }
}
