using System.Buffers;
using System.IO.Pipelines;
using Affect.Hosting;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Affect.Gateway.Access;

/// <summary>
/// The body of a request, read at a minimum rate and within the <see cref="BodyBudget"/>. The rate is measured over periods in which the
/// gateway waits for the client: an average since the start, as Kestrel's, would let a client that began fast stall for hours.
/// </summary>
internal sealed class MeteredBody(PipeReader body, string client, BodyBudget budget, GatewayOptions options, TimeProvider time)
    : PipeReader, IRequestBodyPipeFeature, IDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private ReadOnlySequence<byte> _buffer;
    private long _unconsumed;
    private long _received;
    private long _reserved;

    // Since the start of the period: time that reads waited, and bytes that arrived.
    private TimeSpan _waited;
    private long _arrived;

    /// <summary>True after a read failed because the client sent too slowly.</summary>
    public bool IsTooSlow { get; private set; }

    public PipeReader Reader => this;

    /// <summary>Reserves the expected size of the body.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo.</exception>
    public void Reserve(long bytes)
    {
        if (bytes <= _reserved)
            return;
        if (!budget.TryReserve(client, bytes - _reserved))
            throw RpcErrors.ResourceExhausted("Too many bytes are being uploaded.", RetryAfter);
        _reserved = bytes;
    }

    /// <exception cref="RpcException">DEADLINE_EXCEEDED: the client sends too slowly. RESOURCE_EXHAUSTED: the budget is spent.</exception>
    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var read = body.ReadAsync(cancellationToken);
        return Observe(read.IsCompleted ? await read : await WaitAsync(read.AsTask(), cancellationToken));
    }

    public override bool TryRead(out ReadResult result)
    {
        if (!body.TryRead(out result))
            return false;
        result = Observe(result);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _unconsumed = _buffer.Slice(consumed).Length;
        _buffer = default;
        body.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead() => body.CancelPendingRead();

    public override void Complete(Exception? exception = null) => body.Complete(exception);

    public void Dispose()
    {
        if (_reserved > 0)
            budget.Release(client, _reserved);
        _reserved = 0;
    }

    private async Task<ReadResult> WaitAsync(Task<ReadResult> read, CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        try
        {
            return await read.WaitAsync(Period - _waited, time, cancellation);
        }
        catch (TimeoutException)
        {
            // Kestrel reads the rest of the body itself: the pending read must end first.
            body.CancelPendingRead();
            body.AdvanceTo((await read).Buffer.End);
            IsTooSlow = true;
            throw RpcErrors.Status(
                StatusCode.DeadlineExceeded,
                $"The request must arrive at {options.MinUploadBytesPerSecond} bytes per second or faster, in every {Period.TotalSeconds} s.");
        }
        finally
        {
            _waited += time.GetElapsedTime(start);
        }
    }

    private ReadResult Observe(ReadResult result)
    {
        _buffer = result.Buffer;
        var arrived = result.Buffer.Length - _unconsumed;
        _received += arrived;
        _arrived += arrived;
        if (_arrived >= options.MinUploadBytesPerSecond * Period.TotalSeconds)
            (_arrived, _waited) = (0, TimeSpan.Zero);
        try
        {
            Reserve(_received);
        }
        catch (RpcException)
        {
            body.AdvanceTo(result.Buffer.End);
            throw;
        }
        return result;
    }
}
