using System.Buffers;
using Affect.Audio;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Proto = Google.Protobuf.WellKnownTypes.Duration;
using SpeechSegment = Affect.Audio.SpeechSegment;

namespace Affect.Fusion.Calls;

/// <summary>A window whose time has come, with what its features are made of where it holds voice.</summary>
/// <param name="Channel">Index of the channel.</param>
/// <param name="Index">Of the window on its channel.</param>
/// <param name="Start">At 22,050 Hz.</param>
/// <param name="Length">At 22,050 Hz.</param>
/// <param name="HasVoice">Whether voice reaches into it.</param>
internal readonly record struct DueWindow(int Channel, long Index, long Start, int Length, bool HasVoice);

/// <summary>
/// The audio of a call: bytes at positions become samples of channels, ticks of the conversation and windows, in the order
/// of time and however the bytes were cut. For one thread.
/// </summary>
internal sealed class CallAudio
{
    /// <summary>So much silence may take the place of lost bytes.</summary>
    private static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(60);

    /// <summary>Voice is looked for from so long before the place at which a call is resumed.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    public const int MaxChunkBytes = 1 << 20;

    private readonly CallPlan _plan;
    private readonly Conversation _conversation;
    private readonly CallChannel[] _channels;
    private readonly List<SpeechSegment> _told = [];

    /// <summary>The bytes of a sample whose others have not come yet.</summary>
    private readonly byte[] _partial;
    private int _partialCount;
    private bool _ended;

    public CallAudio(CallPlan plan, Conversation conversation, CallState state)
    {
        (_plan, _conversation) = (plan, conversation);
        Position = state.AudioPosition;
        Missing = state.Missing;
        _partial = new byte[plan.FrameBytes];
        _channels = new CallChannel[plan.AudioChannels];
        for (var i = 0; i < _channels.Length; i++)
            _channels[i] = new(plan, plan.Channels[i].Emotion, state.Channels[i], Position / plan.FrameBytes, conversation.Ticks);
    }

    /// <summary>The byte that comes next.</summary>
    public long Position { get; private set; }

    /// <summary>Samples in place of which silence was put.</summary>
    public long Missing { get; private set; }

    /// <summary>Samples so far, since the call began.</summary>
    public long Received => _channels.Length == 0 ? 0 : _channels[0].Received;

    public TimeSpan Duration => _channels.Length == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds((double)Received / _plan.Rate);

    /// <summary>Samples at 22,050 Hz that the audio so far comes to, as a clip's resampler counts them.</summary>
    private long Resampled => ((Received * FeatureExtractor.SampleRate) + _plan.Rate - 1) / _plan.Rate;

    /// <summary>
    /// What of a chunk is new, behind the silence that fills a gap; in pieces of a second at the most, so that
    /// windows are made as the pieces are taken.
    /// </summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: the position cannot be.</exception>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces(AudioChunk chunk)
    {
        if (chunk.Data.Length > MaxChunkBytes)
            throw RpcErrors.InvalidArgument("audio.data", $"There are {chunk.Data.Length} bytes; at most {MaxChunkBytes} go into one chunk.");
        if (chunk.Position < 0)
            throw RpcErrors.InvalidArgument("audio.position", "It must not be negative.");
        var gap = chunk.Position - Position;
        var maxGap = (long)(MaxGap.TotalSeconds * _plan.Rate) * _plan.FrameBytes;
        if (gap > maxGap)
            throw RpcErrors.InvalidArgument("audio.position", $"It is {gap} bytes ahead; at most {maxGap}, which are {MaxGap.TotalSeconds} s, may be missing.");
        if (gap > 0 && gap % _plan.FrameBytes != 0)
            throw RpcErrors.InvalidArgument("audio.position", $"{gap} bytes are missing, which are no whole samples of {_plan.FrameBytes} bytes.");

        return Cut();

        IEnumerable<ReadOnlyMemory<byte>> Cut()
        {
            var most = _plan.Rate * _plan.FrameBytes;
            if (gap > 0)
            {
                Missing += gap / _plan.FrameBytes;
                var silence = new byte[Math.Min(gap, most)];
                Array.Fill(silence, _plan.Encoding.Silence());
                for (; gap > 0; gap -= Math.Min(gap, most))
                    yield return silence.AsMemory(0, (int)Math.Min(gap, most));
            }
            var rest = gap < 0 ? chunk.Data.Memory[(int)Math.Min(-gap, chunk.Data.Length)..] : chunk.Data.Memory;
            for (; !rest.IsEmpty; rest = rest[Math.Min(most, rest.Length)..])
                yield return rest[..Math.Min(most, rest.Length)];
        }
    }

    /// <summary>Takes the next bytes and counts the conversation on; what has ended in them goes to the two lists.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: a sample is no number.</exception>
    public void Take(ReadOnlySpan<byte> bytes, ICollection<SpeechActivity> activities)
    {
        Position += bytes.Length;
        if (_partialCount > 0)
        {
            var missing = Math.Min(_partial.Length - _partialCount, bytes.Length);
            bytes[..missing].CopyTo(_partial.AsSpan(_partialCount));
            _partialCount += missing;
            bytes = bytes[missing..];
            if (_partialCount < _partial.Length)
                return;
            _partialCount = 0;
            TakeWhole(_partial, activities);
        }
        var whole = bytes.Length - (bytes.Length % _plan.FrameBytes);
        bytes[whole..].CopyTo(_partial);
        _partialCount = bytes.Length - whole;
        if (whole > 0)
            TakeWhole(bytes[..whole], activities);
    }

    /// <summary>Nothing follows.</summary>
    public void End(ICollection<SpeechActivity> activities)
    {
        _ended = true;
        for (var i = 0; i < _channels.Length; i++)
        {
            _channels[i].End(_told);
            Tell(i, activities);
        }
        Count();
    }

    /// <summary>
    /// The next window of which everything is known, those of one channel in order. The windows are those of
    /// <see cref="Windowing.Over"/>: the last one, which ends with the call, is known when it has ended.
    /// </summary>
    public bool TryNext(out DueWindow due)
    {
        for (var i = 0; i < _channels.Length; i++)
        {
            if (!_plan.Channels[i].Emotion || Next(_channels[i]) is not { } window)
                continue;
            if (_channels[i].SpeaksIn(window.Start, window.Length) is not { } voice)
                continue;
            due = new(i, _channels[i].NextWindow++, window.Start, window.Length, voice);
            return true;
        }
        due = default;
        return false;
    }

    /// <summary>What features needs to make a window.</summary>
    public Affect.Features.V1.ExtractWindowRequest Request(DueWindow due)
    {
        var (bytes, first) = _channels[due.Channel].Around(due.Start, due.Length);
        return new()
        {
            Encoding = _plan.ProtoEncoding,
            SampleRate = _plan.Rate,
            Audio = bytes,
            FirstSample = first,
            Start = due.Start,
            Length = due.Length,
            Input = _plan.Speech!.Input,
        };
    }

    /// <summary>Forgets what no window from now on needs; windows that were due must have been requested.</summary>
    public void Forget()
    {
        foreach (var channel in _channels)
            channel.Forget(_conversation.Ticks, FirstWanted(channel));
    }

    /// <summary>The last window of a call ends with it, and so begins up to a hop before it would in its turn.</summary>
    private long FirstWanted(CallChannel channel) => Math.Max(0, channel.NextWindow - 1) * _plan.Hop;

    /// <summary>Writes down where the audio stands.</summary>
    public void Save(CallState state)
    {
        var needed = _conversation.Ticks * _plan.Rate / Conversation.Rate;
        for (var i = 0; i < _channels.Length; i++)
        {
            state.Channels.Add(_channels[i].Save());
            if (_plan.Channels[i].Emotion)
                needed = Math.Min(needed, _channels[i].FirstNeeded(FirstWanted(_channels[i])));
        }
        needed = Math.Max(0, needed - (long)(WarmUp.TotalSeconds * _plan.Rate));
        state.AudioPosition = needed * _plan.FrameBytes;
        state.Missing = Missing;
    }

    private (long Start, int Length)? Next(CallChannel channel)
    {
        var (length, start) = (_plan.Window, channel.NextWindow * _plan.Hop);
        var total = Resampled;
        // Once there is more than the window, it is not the last; its resampler looks a little further.
        if (start + length < total && (_ended || channel.Received >= channel.LastNeeded(start + length)))
            return (start, length);
        if (!_ended || total < Windowing.MinLength)
            return null;
        if (total <= length)
            return channel.NextWindow == 0 ? (0, (int)total) : null;
        // The one before began a hop earlier: this one is due unless that one already ended with the call.
        var last = total - length;
        return channel.NextWindow == 0 || start - _plan.Hop < last ? (last, length) : null;
    }

    private void TakeWhole(ReadOnlySpan<byte> bytes, ICollection<SpeechActivity> activities)
    {
        var (frame, width) = (_plan.FrameBytes, _plan.Encoding.Width());
        var count = bytes.Length / frame;
        var samples = ArrayPool<float>.Shared.Rent(count);
        try
        {
            for (var i = 0; i < _channels.Length; i++)
            {
                var own = bytes[(i * width)..];
                if (!_plan.Encoding.TryDecode(own, frame, samples.AsSpan(0, count)))
                    throw RpcErrors.InvalidArgument("audio.data", "The samples must be finite.");
                _channels[i].Take(samples.AsSpan(0, count), own, frame, _told);
                Tell(i, activities);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(samples);
        }
        Count();
    }

    /// <summary>Takes the ticks of which it is known who speaks in them.</summary>
    private void Count()
    {
        if (_channels.Length == 0)
            return;
        var known = Received;
        foreach (var channel in _channels)
            known = Math.Min(known, channel.KnownUntil);
        Span<bool> speaking = stackalloc bool[_channels.Length];
        Span<double> power = stackalloc double[_channels.Length];
        while (true)
        {
            var tick = _conversation.Ticks;
            var (from, to) = (tick * _plan.Rate / Conversation.Rate, (tick + 1) * _plan.Rate / Conversation.Rate);
            if (to > known)
                return;
            for (var i = 0; i < _channels.Length; i++)
            {
                speaking[i] = _channels[i].Speaks(from, to);
                power[i] = _channels[i].TakeTick(tick);
            }
            _conversation.Take(speaking, power);
        }
    }

    private void Tell(int channel, ICollection<SpeechActivity> activities)
    {
        foreach (var segment in _told)
            activities.Add(new SpeechActivity
            {
                Channel = channel,
                Segment = new()
                {
                    Start = Proto.FromTimeSpan(segment.StartTime(_plan.Rate)),
                    End = Proto.FromTimeSpan(segment.EndTime(_plan.Rate)),
                },
            });
        _told.Clear();
    }
}
