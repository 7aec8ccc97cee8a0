using System.Diagnostics;
using Affect.Client;
using Affect.Emotions;

namespace Affect.Cli.Load;

/// <summary>One call of a load test. <see cref="Send"/> belongs to the sending loop, everything else to the task that reads results.</summary>
/// <param name="client">Shared by all calls.</param>
/// <param name="recording">The audio.</param>
/// <param name="offset">Start in the recording, [0, 1).</param>
/// <param name="start">Start of the call since the start of the test.</param>
/// <param name="hop">From the start of one window to the start of the next.</param>
/// <param name="length">Minimum length of the call.</param>
/// <param name="idle">True to send no audio.</param>
internal sealed class SimulatedCall(
    AffectClient client, LoopedRecording recording, double offset, TimeSpan start, TimeSpan hop, TimeSpan length, bool idle)
{
    private readonly long[] _sentAt = new long[idle ? 0 : (int)Math.Ceiling(length / recording.Chunk)];
    private AffectCall? _call;
    private Task? _reading;
    private Task? _blocked;
    private int _sent;
    private bool _complete;

    public CallStarted? Started { get; private set; }

    /// <summary>The error that ended the call; null for none.</summary>
    public string? Error { get; private set; }

    /// <summary>Length of the audio to send.</summary>
    public TimeSpan Planned => recording.Chunk * _sentAt.Length;

    /// <summary>Length of the audio sent so far.</summary>
    public TimeSpan Sent => recording.Chunk * _sent;

    public List<ReceivedWindow> Windows { get; } = [];

    /// <summary>Sends the chunks that are due. Returns false when the call has nothing left to send.</summary>
    public bool Send(TimeSpan now)
    {
        if (now < start)
            return true;
        if (_call is null)
        {
            // The recording does not change, so that the client need not copy it.
            _call = client.StartCall(new StreamOptions { Audio = recording.Format, Hop = hop, CopyAudio = false });
            _reading = ReadAsync(_call);
        }
        if (_blocked is { } blocked)
        {
            if (!blocked.IsCompleted)
                return true;
            _blocked = null;
            _sentAt[_sent++] = Stopwatch.GetTimestamp();
        }
        if (_reading!.IsCompleted)
            return false;
        // A chunk is due when its last sample has been spoken.
        for (; _sent < _sentAt.Length && start + recording.Chunk * (_sent + 1) <= now; _sent++)
        {
            // Before the write as well: the window may arrive before the write returns.
            Volatile.Write(ref _sentAt[_sent], Stopwatch.GetTimestamp());
            var write = _call.WriteAudioAsync(recording.GetChunk(offset, _sent));
            if (!write.IsCompleted)
            {
                _blocked = write.AsTask();
                return true;
            }
            if (!write.IsCompletedSuccessfully)
                return false; // The reader reports the error.
            Volatile.Write(ref _sentAt[_sent], Stopwatch.GetTimestamp());
        }
        if (_sent < _sentAt.Length || (idle && now < start + length))
            return true;
        Complete();
        return false;
    }

    /// <summary>Ends the call and waits for its remaining results.</summary>
    public async Task EndAsync(TimeSpan timeout)
    {
        if (_call is null)
            return;
        Complete();
        try
        {
            await _reading!.WaitAsync(timeout);
        }
        catch (TimeoutException)
        {
            Error = $"no summary within {timeout.TotalSeconds:0} s";
        }
        await _call.DisposeAsync();
        await _reading!;
    }

    /// <summary>Half-closes the call as soon as everything is sent: the server holds the last window back until then.</summary>
    private void Complete()
    {
        if (_complete || _reading!.IsCompleted)
            return;
        _complete = true;
        try
        {
            _ = _call!.CompleteAsync().AsTask();
        }
        catch (Exception exception) when (exception is AffectException or InvalidOperationException)
        {
            // The reader reports the error.
        }
    }

    private async Task ReadAsync(AffectCall call)
    {
        var completed = false;
        try
        {
            await foreach (var result in call.Results)
                switch (result)
                {
                    case CallStarted started:
                        Started = started;
                        break;
                    case CallWindow window:
                        Windows.Add(new(window.Index, window.Fused.Judgement.Outcome, window.Fused.Judgement.Scores is not null, GetLatency(window)));
                        break;
                    case CallSummary { End: CallEnd.Completed }:
                        completed = true;
                        break;
                }
            if (!completed)
                Error ??= "ended by the server as stalled";
        }
        catch (AffectException exception)
        {
            Error ??= $"{exception.StatusCode}: {exception.Message}";
        }
        catch (OperationCanceledException)
        {
            Error ??= "canceled";
        }
    }

    /// <summary>Milliseconds since the last chunk of the window was sent.</summary>
    private double GetLatency(CallWindow window)
    {
        var last = (int)Math.Ceiling(window.End / recording.Chunk - 1e-3) - 1;
        return last < _sentAt.Length
            ? Stopwatch.GetElapsedTime(Volatile.Read(ref _sentAt[Math.Max(0, last)])).TotalMilliseconds
            : 0;
    }
}

/// <param name="Index">Index of the window in its channel.</param>
/// <param name="Outcome">Outcome of the window.</param>
/// <param name="Scored">True if the window has scores.</param>
/// <param name="Milliseconds">Latency.</param>
internal readonly record struct ReceivedWindow(long Index, Outcome Outcome, bool Scored, double Milliseconds);
