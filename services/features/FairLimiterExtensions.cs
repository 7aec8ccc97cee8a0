using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Hosting;
using Affect.Scheduling;
using Grpc.Core;

namespace Affect.Features;

internal static class FairLimiterExtensions
{
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Waits for a permit, then runs the work on a dedicated thread: a file takes up to seconds, in which it would block a thread of the
    /// pool. Maps errors of the media to a status that names the field.
    /// </summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo: the queue is full. INVALID_ARGUMENT: the media cannot be decoded.</exception>
    public static async Task<T> RunAsync<T>(
        this FairLimiter limiter, string tenant, string field, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        using var permit = await limiter.AcquireAsync(tenant, cancellationToken);
        if (!permit.IsAcquired)
            throw Busy();
        try
        {
            return await OnDedicatedThread(work, cancellationToken).Unwrap();
        }
        catch (Exception exception) when (exception is AudioFormatException or PictureFormatException)
        {
            throw RpcErrors.InvalidArgument(field, exception.Message);
        }
        catch (DecoderMissingException)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, $"{field} in this format cannot be decoded: ffmpeg is not installed");
        }
        catch (BusyException)
        {
            throw Busy();
        }

        static RpcException Busy() => RpcErrors.ResourceExhausted("features is overloaded", RetryAfter);
    }

    /// <summary>Runs work that takes longer than a thread of the pool may be blocked.</summary>
    public static Task<T> OnDedicatedThread<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
