using Affect.Gateway.Errors;
using Affect.Hosting;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Affect.UnitTests.Gateway;

public sealed class UpstreamTests
{
    [Fact]
    public void What_names_a_field_goes_on()
    {
        var status = Upstream.ForClients(RpcErrors.InvalidArgument("clip.audio", "is no audio")).GetRpcStatus()!;

        Assert.Equal((int)StatusCode.InvalidArgument, status.Code);
        Assert.Equal("clip.audio", Assert.Single(status.GetDetail<BadRequest>().FieldViolations).Field);
    }

    [Fact]
    public void A_full_queue_goes_on_with_its_delay()
    {
        var status = Upstream.ForClients(RpcErrors.ResourceExhausted("full", TimeSpan.FromSeconds(3))).GetRpcStatus()!;

        Assert.Equal((int)StatusCode.ResourceExhausted, status.Code);
        Assert.Equal(TimeSpan.FromSeconds(3), status.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan());
    }

    [Fact]
    public void An_order_that_was_not_kept_goes_on_with_its_reason()
    {
        var refused = Upstream.ForClients(RpcErrors.Status(StatusCode.FailedPrecondition, "no configuration"));

        Assert.Equal((StatusCode.FailedPrecondition, "no configuration"), (refused.StatusCode, refused.Status.Detail));
    }

    [Fact]
    public void A_connection_that_was_lost_is_unavailable_whatever_the_channel_makes_of_it() => Assert.Equal(
        StatusCode.Unavailable,
        Upstream.ForClients(new RpcException(new(StatusCode.Internal, "lost (10.0.0.7:8081)", new IOException("lost")))).StatusCode);

    [Theory]
    [InlineData(StatusCode.Unavailable, StatusCode.Unavailable)]
    [InlineData(StatusCode.DeadlineExceeded, StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.Internal, StatusCode.Internal)]
    [InlineData(StatusCode.Unknown, StatusCode.Internal)]
    [InlineData(StatusCode.Unimplemented, StatusCode.Internal)]
    [InlineData(StatusCode.PermissionDenied, StatusCode.Internal)]
    public void What_the_channel_says_of_hosts_stays_here(StatusCode code, StatusCode expected)
    {
        var refused = Upstream.ForClients(new RpcException(new(code, "connection refused (10.0.0.7:8081)")));

        Assert.Equal(expected, refused.StatusCode);
        Assert.DoesNotContain("10.0.0.7", refused.GetRpcStatus()!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Details_that_were_not_made_for_clients_stay_here()
    {
        var status = new Google.Rpc.Status
        {
            Code = (int)StatusCode.InvalidArgument,
            Message = "no",
            Details = { Any.Pack(new DebugInfo { Detail = "a stack trace" }) },
        };

        Assert.Empty(Upstream.ForClients(status.ToRpcException()).GetRpcStatus()!.Details);
    }
}
