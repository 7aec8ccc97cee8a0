using Affect.Gateway.Errors;
using Affect.Hosting;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Affect.UnitTests.Gateway;

public sealed class FusionErrorsTests
{
    [Fact]
    public void ToClientError_FieldViolation_IsKept()
    {
        var status = FusionErrors.ToClientError(RpcErrors.InvalidArgument("clip.audio", "Must be an audio file.")).GetRpcStatus()!;

        Assert.Equal((int)StatusCode.InvalidArgument, status.Code);
        Assert.Equal("clip.audio", Assert.Single(status.GetDetail<BadRequest>().FieldViolations).Field);
    }

    [Fact]
    public void ToClientError_ResourceExhausted_KeepsRetryDelay()
    {
        var status = FusionErrors.ToClientError(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(3))).GetRpcStatus()!;

        Assert.Equal((int)StatusCode.ResourceExhausted, status.Code);
        Assert.Equal(TimeSpan.FromSeconds(3), status.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan());
    }

    [Fact]
    public void ToClientError_FailedPrecondition_KeepsMessage()
    {
        var refused = FusionErrors.ToClientError(RpcErrors.Status(StatusCode.FailedPrecondition, "no configuration"));

        Assert.Equal((StatusCode.FailedPrecondition, "no configuration"), (refused.StatusCode, refused.Status.Detail));
    }

    [Fact]
    public void ToClientError_LostConnectionUnderAnyCode_IsUnavailable() => Assert.Equal(
        StatusCode.Unavailable,
        FusionErrors.ToClientError(new RpcException(new(StatusCode.Internal, "lost (10.0.0.7:8081)", new IOException("lost")))).StatusCode);

    [Fact]
    public void ToClientError_InternalErrorOfFusion_IsInternal() => Assert.Equal(
        StatusCode.Internal, FusionErrors.ToClientError(RpcErrors.Status(StatusCode.Internal, "internal error; see the service log")).StatusCode);

    [Theory]
    [InlineData(StatusCode.Unavailable, StatusCode.Unavailable)]
    [InlineData(StatusCode.DeadlineExceeded, StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.Internal, StatusCode.Unavailable)] // of the channel: fusion sends details
    [InlineData(StatusCode.Cancelled, StatusCode.Unavailable)]
    [InlineData(StatusCode.ResourceExhausted, StatusCode.Internal)]
    [InlineData(StatusCode.Unknown, StatusCode.Internal)]
    [InlineData(StatusCode.Unimplemented, StatusCode.Internal)]
    [InlineData(StatusCode.PermissionDenied, StatusCode.Internal)]
    public void ToClientError_ChannelError_HidesHost(StatusCode code, StatusCode expected)
    {
        var refused = FusionErrors.ToClientError(new RpcException(new(code, "connection refused (10.0.0.7:8081)")));

        Assert.Equal(expected, refused.StatusCode);
        Assert.DoesNotContain("10.0.0.7", refused.GetRpcStatus()!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToClientError_InnerDetails_AreRemoved()
    {
        var status = new Google.Rpc.Status
        {
            Code = (int)StatusCode.InvalidArgument,
            Message = "no",
            Details = { Any.Pack(new DebugInfo { Detail = "a stack trace" }) },
        };

        Assert.Empty(FusionErrors.ToClientError(status.ToRpcException()).GetRpcStatus()!.Details);
    }
}
