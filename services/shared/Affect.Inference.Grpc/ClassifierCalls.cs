using Affect.Hosting;
using Google.Protobuf;
using Grpc.Core;

namespace Affect.Inference.Grpc;

/// <summary>What the services of all modalities do alike: find the model, ask it, turn what went wrong into a status.</summary>
public static class ClassifierCalls
{
    /// <summary>Classifies one input for a gRPC call.</summary>
    /// <param name="classifiers">The models of the service.</param>
    /// <param name="model">Name of the model, empty for the default.</param>
    /// <param name="input">The tensor; read in place.</param>
    /// <param name="field">What the request calls the tensor, for errors.</param>
    /// <param name="context">The call: its deadline and its cancellation.</param>
    /// <exception cref="RpcException">
    /// NOT_FOUND, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, UNAVAILABLE or INTERNAL.
    /// </exception>
    public static async Task<(Classifier Model, Classification Result)> ClassifyAsync(
        this Classifiers classifiers, string model, ByteString input, string field, ServerCallContext context)
    {
        try
        {
            return await classifiers.ClassifyAsync(model, input.Memory, context.Deadline, context.CancellationToken)
                ?? throw RpcErrors.NotFound("model", model);
        }
        catch (InvalidInputException exception)
        {
            throw RpcErrors.InvalidArgument(field, exception.Message);
        }
        catch (QueueFullException exception)
        {
            throw RpcErrors.ResourceExhausted("too many inputs wait for this model", exception.RetryAfter);
        }
        catch (DeadlinePassedException)
        {
            throw RpcErrors.Status(StatusCode.DeadlineExceeded, "the deadline passed before the input's turn came");
        }
        catch (BatchFailedException)
        {
            throw RpcErrors.Status(StatusCode.Internal, "the model failed; the log has why");
        }
        catch (NotServingException exception)
        {
            throw RpcErrors.Status(StatusCode.Unavailable, exception.Message);
        }
    }
}
