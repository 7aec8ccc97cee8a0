using Affect.Audio;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Calls;

/// <summary>A part of the audio: bytes, or a number of samples of silence.</summary>
internal readonly record struct AudioPiece(ReadOnlyMemory<byte> Bytes, long Silence = 0)
{
    public bool IsEmpty => Bytes.IsEmpty && Silence == 0;
}

/// <summary>
/// The encoded audio of a call: chunks at byte positions become one gapless sequence of samples, which is kept until it is no longer
/// needed, so that it can be sent to features again. Silence in place of missing audio is kept as its length. One thread appends;
/// others read and forget.
/// </summary>
internal sealed class CallAudio
{
    /// <summary>Longest gap that is filled with silence: longer than a hold lasts.</summary>
    private static readonly TimeSpan MaxGap = TimeSpan.FromHours(4);

    /// <summary>Silence that is appended at a time: bounds the windows that follow from one piece.</summary>
    private static readonly TimeSpan MaxSilence = TimeSpan.FromMinutes(10);

    private const int MaxChunkBytes = 1 << 20;

    private readonly CallPlan _plan;
    private readonly Lock _lock = new();

    // Audio from sample _first on, without the runs of silence; the last sample may lack bytes that have not arrived.
    private byte[] _bytes = [];
    private int _start, _count;
    private long _first;

    /// <summary>Runs of silence, each longer than 1 s, in the order of time, from _first on.</summary>
    private readonly List<(long Start, long End)> _silence = [];

    /// <param name="plan">Format of the audio.</param>
    /// <param name="state">State of the call, with audio.</param>
    public CallAudio(CallPlan plan, V1.CallState state)
    {
        (_plan, _first, Missing, Repeated) = (plan, state.Audio.Position, state.Missing, state.Skipped);
        Position = _first * plan.FrameBytes;
    }

    /// <summary>Position of the next byte.</summary>
    public long Position { get; private set; }

    /// <summary>Samples that were replaced by silence.</summary>
    public long Missing { get; private set; }

    /// <summary>Bytes that were skipped because they had been received before.</summary>
    public long Repeated { get; private set; }

    /// <summary>Bytes received after the last whole sample.</summary>
    public long Incomplete => Position % _plan.FrameBytes;

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

    /// <summary>The new bytes of a chunk, in pieces of at most 1 s, behind the silence that fills a gap.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: the chunk is too large, or its position is out of range.</exception>
    public IEnumerable<AudioPiece> Split(AudioChunk chunk)
    {
        if (chunk.Data.Length > MaxChunkBytes)
            throw RpcErrors.InvalidArgument("audio.data", $"must be at most {MaxChunkBytes} bytes; it has {chunk.Data.Length}");
        var (position, frame) = (chunk.HasPosition ? chunk.Position : Position, _plan.FrameBytes);
        if (position < 0)
            throw RpcErrors.InvalidArgument("audio.position", "must not be negative");
        var gap = position - Position;
        var maxGap = Math.Min((long)MaxGap.TotalSeconds * _plan.Rate, AudioLimits.MaxCallSample - Received - MaxChunkBytes) * frame;
        if (gap > maxGap)
            throw RpcErrors.InvalidArgument("audio.position", $"must be at most {maxGap} bytes ({MaxGap.TotalHours} h) ahead of the audio received; it is {gap} bytes ahead");
        if (gap > 0 && gap % frame != 0)
            throw RpcErrors.InvalidArgument("audio.position", $"must leave a gap of whole samples of {frame} bytes; it leaves {gap} bytes");
        return Pieces();

        IEnumerable<AudioPiece> Pieces()
        {
            var known = (int)Math.Min(Math.Max(0, -gap), chunk.Data.Length);
            Repeated += known;
            var maxBytes = _plan.Rate * frame;
            if (gap > 0)
                Missing += gap / frame;
            if (gap > maxBytes)
            {
                // A gap may begin within a sample: it then has the rest of that sample, and the start of another one.
                var begun = (int)(Position % frame);
                var sample = Silence(frame);
                if (begun > 0)
                    yield return new(sample.AsMemory(begun));
                var maxSilence = (long)MaxSilence.TotalSeconds * _plan.Rate;
                for (var silence = (gap / frame) - (begun > 0 ? 1 : 0); silence > 0; silence -= Math.Min(silence, maxSilence))
                    yield return new(default, Math.Min(silence, maxSilence));
                if (begun > 0)
                    yield return new(sample.AsMemory(0, begun));
            }
            else if (gap > 0)
            {
                yield return new(Silence((int)gap));
            }

            for (var rest = chunk.Data.Memory[known..]; !rest.IsEmpty; rest = rest[Math.Min(maxBytes, rest.Length)..])
                yield return new(rest[..Math.Min(maxBytes, rest.Length)]);
        }

        byte[] Silence(int count)
        {
            var bytes = new byte[count];
            Array.Fill(bytes, _plan.Encoding.Silence());
            return bytes;
        }
    }

    public void Append(AudioPiece piece)
    {
        var bytes = piece.Bytes.Span;
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
            if (piece.Silence > 0)
                _silence.Add((Received, Received + piece.Silence));
            Position += bytes.Length + (piece.Silence * _plan.FrameBytes);
        }
    }

    /// <summary>
    /// Whole samples from <paramref name="sample"/> on, at most <paramref name="maxBytes"/>, or the rest of the silence in which it lies;
    /// empty if there are none yet.
    /// </summary>
    public AudioPiece Read(long sample, int maxBytes)
    {
        lock (_lock)
        {
            var end = Received;
            foreach (var run in _silence)
            {
                if (sample >= run.End)
                    continue;
                if (sample >= run.Start)
                    return new(default, run.End - sample);
                end = run.Start;
                break;
            }

            var count = (int)Math.Min((end - sample) * _plan.FrameBytes, maxBytes);
            return new(_bytes.AsSpan(_start + OffsetOf(sample), count - (count % _plan.FrameBytes)).ToArray());
        }
    }

    /// <summary>Forgets the samples before <paramref name="sample"/>.</summary>
    public void Forget(long sample)
    {
        lock (_lock)
        {
            if (sample <= _first)
                return;
            var bytes = OffsetOf(sample);
            (_start, _count) = (_start + bytes, _count - bytes);
            _first = sample;
            _silence.RemoveAll(run => run.End <= sample);
        }
    }

    /// <summary>Offset of a sample in the bytes that are kept.</summary>
    private int OffsetOf(long sample)
    {
        var samples = sample - _first;
        foreach (var run in _silence)
            samples -= Math.Max(0, Math.Min(run.End, sample) - Math.Max(run.Start, _first));
        return (int)samples * _plan.FrameBytes;
    }
}
