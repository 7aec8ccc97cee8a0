using Affect.Hosting;
using Affect.Testing;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.UnitTests.Hosting;

public sealed class LostRequestsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(StatusCode.Unavailable, true)]
    [InlineData(StatusCode.Cancelled, true)]
    [InlineData(StatusCode.Internal, true)]
    [InlineData(StatusCode.DeadlineExceeded, false)]
    [InlineData(StatusCode.Unimplemented, false)]
    [InlineData(StatusCode.ResourceExhausted, false)]
    [InlineData(StatusCode.InvalidArgument, false)]
    [InlineData(StatusCode.Unauthenticated, false)]
    [InlineData(StatusCode.Unknown, false)]
    public void IsLost_WithoutDetailsAndException_DependsOnTheCode(StatusCode code, bool lost) =>
        Assert.Equal(lost, new RpcException(new(code, "no")).IsLost());

    [Theory]
    [InlineData(StatusCode.Unavailable, true)] // it shuts down
    [InlineData(StatusCode.Cancelled, true)] // it lost its client
    [InlineData(StatusCode.Internal, false)]
    [InlineData(StatusCode.ResourceExhausted, false)]
    [InlineData(StatusCode.InvalidArgument, false)]
    public void IsLost_StatusOfAService_DependsOnTheCode(StatusCode code, bool lost) =>
        Assert.Equal(lost, RpcErrors.Status(code, "no").IsLost());

    [Theory]
    [InlineData(StatusCode.Internal, true)]
    [InlineData(StatusCode.ResourceExhausted, true)] // HTTP/2 ENHANCE_YOUR_CALM
    [InlineData(StatusCode.PermissionDenied, true)] // HTTP/2 INADEQUATE_SECURITY
    [InlineData(StatusCode.DeadlineExceeded, false)]
    public void IsLost_BrokenConnection_IsTrueUnderAnyCode(StatusCode code, bool lost) =>
        Assert.Equal(lost, new RpcException(new(code, "lost", new IOException("reset"))).IsLost());

    /// <summary>The statuses of Grpc.Net.Client itself, which a new version may change.</summary>
    [Fact]
    public async Task IsLost_AddressesChangeWhileNoneIsConnected_IsTrue()
    {
        var names = new Names();
        using var channel = GrpcChannel.ForAddress("names:///service", new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Insecure,
            ServiceConfig = new() { LoadBalancingConfigs = { new RoundRobinConfig() } },
            ServiceProvider = new ServiceCollection().AddSingleton<ResolverFactory>(names).BuildServiceProvider(),
            // The addresses are tried once.
            InitialReconnectBackoff = TimeSpan.FromMinutes(1),
        });
        var health = new Health.HealthClient(channel);
        var (first, second) = (Loopback.FreePort(), Loopback.FreePort());

        names.Publish(first, second);
        Assert.Equal(StatusCode.Unavailable, (await FailAsync()).StatusCode);
        await Task.Delay(TimeSpan.FromSeconds(0.2), Cancellation); // for the second address to fail too
        names.Publish(first);
        var changed = await FailAsync();
        names.Publish();
        var withdrawn = await FailAsync();

        Assert.Equal((StatusCode.Internal, null), (changed.StatusCode, changed.Status.DebugException));
        Assert.True(changed.IsLost());
        Assert.Equal(StatusCode.Unavailable, withdrawn.StatusCode);

        async Task<RpcException> FailAsync() => await Assert.ThrowsAsync<RpcException>(async () =>
            await health.CheckAsync(new(), cancellationToken: Cancellation));
    }

    /// <summary>A name whose addresses the test sets.</summary>
    private sealed class Names : ResolverFactory
    {
        private Action<ResolverResult>? _listener;
        private int[] _ports = [];

        public override string Name => "names";

        public override Resolver Create(ResolverOptions options) => new NameResolver(this);

        public void Publish(params int[] ports)
        {
            _ports = ports;
            _listener?.Invoke(Result);
        }

        private ResolverResult Result => ResolverResult.ForResult([.. _ports.Select(port => new BalancerAddress("127.0.0.1", port))]);

        private sealed class NameResolver(Names names) : Resolver
        {
            public override void Start(Action<ResolverResult> listener)
            {
                names._listener = listener;
                listener(names.Result);
            }
        }
    }
}
