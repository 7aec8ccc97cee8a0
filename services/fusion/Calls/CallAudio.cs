using Affect.Audio;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>
/// The encoded audio of a call: chunks at byte positions become one gapless sequence of samples, which is kept until it is no longer
/// needed, so that it can be sent to features again. One thread appends; others read and forget.
/// </summary>
internal sealed class CallAudio
{
    /// <summary>Longest gap that is filled with silence.</summary>
    private static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(60);

    private const int MaxChunkBytes = 1 << 20;

    private readonly CallPlan _plan;
    private readonly Lock _lock = new();

    // Audio from sample _first on; the last sample may lack bytes that have not arrived.
    private byte[] _bytes = [];
    private int _start, _count;
    private long _first;

    /// <param name="plan">Format of the audio.</param>
    /// <param name="first">Index of the sample that follows.</param>
    /// <param name="missing">Samples that have been replaced by silence.</param>
    public CallAudio(CallPlan plan, long first, long missing)
    {
        (_plan, _first, Missing) = (plan, first, missing);
        Position = first * plan.FrameBytes;
    }

    /// <summary>Position of the next byte.</summary>
    public long Position { get; private set; }

    /// <summary>Samples that were replaced by silence.</summary>
    public long Missing { get; private set; }

    /// <summary>Whole samples received since the start of the call.</summary>
    public long Received => Position / _plan.FrameBytes;

    public TimeSpan Duration => _plan.TimeOf(Received);

    /// <summary>Samples that are kept.</summary>
    public long Kept
    {
        get
        {
            lock (_lock)
                return Received - _first;
        }
    }

    /// <summary>The new bytes of a chunk, behind the silence that fills a gap, in pieces of at most 1 s.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: the chunk is too large, or its position is out of range.</exception>
    public IEnumerable<ReadOnlyMemory<byte>> Split(AudioChunk chunk)
    {
        if (chunk.Data.Length > MaxChunkBytes)
            throw RpcErrors.InvalidArgument("audio.data", $"must be at most {MaxChunkBytes} bytes; it has {chunk.Data.Length}");
        if (chunk.Position < 0)
            throw RpcErrors.InvalidArgument("audio.position", "must not be negative");
        var gap = chunk.Position - Position;
        var maxGap = (long)(MaxGap.TotalSeconds * _plan.Rate) * _plan.FrameBytes;
        if (gap > maxGap)
            throw RpcErrors.InvalidArgument("audio.position", $"must be at most {maxGap} bytes ({MaxGap.TotalSeconds} s) ahead of the audio received; it is {gap} bytes ahead");
        if (gap > 0 && gap % _plan.FrameBytes != 0)
            throw RpcErrors.InvalidArgument("audio.position", $"must leave a gap of whole samples of {_plan.FrameBytes} bytes; it leaves {gap} bytes");
        return Pieces();

        IEnumerable<ReadOnlyMemory<byte>> Pieces()
        {
            var maxBytes = _plan.Rate * _plan.FrameBytes;
            if (gap > 0)
            {
                Missing += gap / _plan.FrameBytes;
                var silence = new byte[Math.Min(gap, maxBytes)];
                Array.Fill(silence, _plan.Encoding.Silence());
                for (; gap > 0; gap -= Math.Min(gap, maxBytes))
                    yield return silence.AsMemory(0, (int)Math.Min(gap, maxBytes));
            }

            var rest = gap < 0 ? chunk.Data.Memory[(int)Math.Min(-gap, chunk.Data.Length)..] : chunk.Data.Memory;
            for (; !rest.IsEmpty; rest = rest[Math.Min(maxBytes, rest.Length)..])
                yield return rest[..Math.Min(maxBytes, rest.Length)];
        }
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            if (_start + _count + bytes.Length > _bytes.Length)
            {
                // Moves the bytes to the start of the array, and grows it only if that does not suffice.
                var target = _count + bytes.Length > _bytes.Length ? new byte[(_count + bytes.Length) * 5 / 4] : _bytes;
                _bytes.AsSpan(_start, _count).CopyTo(target);
                (_bytes, _start) = (target, 0);
            }

            bytes.CopyTo(_bytes.AsSpan(_start + _count));
            _count += bytes.Length;
            Position += bytes.Length;
        }
    }

    /// <summary>Whole samples from <paramref name="sample"/> on, at most <paramref name="maxBytes"/>; empty if there are none yet.</summary>
    public ByteString Read(long sample, int maxBytes)
    {
        lock (_lock)
        {
            var from = (int)(sample - _first) * _plan.FrameBytes;
            var count = Math.Min(_count - from, maxBytes);
            return ByteString.CopyFrom(_bytes, _start + from, count - (count % _plan.FrameBytes));
        }
    }

    /// <summary>Forgets the samples before <paramref name="sample"/>.</summary>
    public void Forget(long sample)
    {
        lock (_lock)
        {
            var bytes = (int)Math.Max(0, sample - _first) * _plan.FrameBytes;
            (_start, _count) = (_start + bytes, _count - bytes);
            _first = Math.Max(_first, sample);
        }
    }
}
