using System.Threading.RateLimiting;
using Affect.Audio;
using Affect.Features.Audio;
using Affect.Features.Pictures;
using Affect.Hosting;
using Grpc.Core;

namespace Affect.Features;

internal static class ConcurrencyLimiterExtensions
{
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>Waits for a permit, then runs the work on the thread pool. Maps errors of the media to a status that names the field.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED with RetryInfo: the queue is full. INVALID_ARGUMENT: the media cannot be decoded.</exception>
    public static async Task<T> RunAsync<T>(
        this ConcurrencyLimiter limiter, string field, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        using var lease = await limiter.AcquireAsync(cancellationToken: cancellationToken);
        if (!lease.IsAcquired)
            throw Busy();
        try
        {
            return await Task.Run(work, cancellationToken);
        }
        catch (Exception exception) when (exception is AudioFormatException or PictureFormatException)
        {
            throw RpcErrors.InvalidArgument(field, exception.Message);
        }
        catch (DecoderMissingException)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, "audio other than WAV cannot be decoded: ffmpeg is not installed");
        }
        catch (BusyException)
        {
            throw Busy();
        }

        static RpcException Busy() => RpcErrors.ResourceExhausted("features is overloaded", RetryAfter);
    }
}
