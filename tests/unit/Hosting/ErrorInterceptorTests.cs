using System.Diagnostics.Metrics;
using Affect.Hosting;
using Affect.Testing;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.UnitTests.Hosting;

public sealed class ErrorInterceptorTests
{
    [Fact]
    public async Task UnaryServerHandler_RequestAborted_IsCanceledAndNotLogged()
    {
        var logs = new FakeLogCollector();
        var request = new DefaultHttpContext { RequestAborted = new CancellationToken(canceled: true) };

        var status = await FailAsync(logs, new FakeCall(request));

        Assert.Equal(StatusCode.Cancelled, status);
        logs.ThrowOnErrors();
    }

    [Fact]
    public async Task UnaryServerHandler_UnexpectedException_IsInternalAndLogged()
    {
        var logs = new FakeLogCollector();

        var status = await FailAsync(logs, new FakeCall(new DefaultHttpContext()));

        Assert.Equal(StatusCode.Internal, status);
        Assert.Throws<InvalidOperationException>(logs.ThrowOnErrors);
    }

    private static async Task<StatusCode> FailAsync(FakeLogCollector logs, ServerCallContext call)
    {
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(new FakeLoggerProvider(logs)));
        using var provider = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var interceptor = new ErrorInterceptor(new(provider.GetRequiredService<IMeterFactory>()), factory.CreateLogger<ErrorInterceptor>());
        var thrown = await Assert.ThrowsAsync<RpcException>(() => interceptor.UnaryServerHandler<string, string>(
            "", call, (_, _) => throw new InvalidOperationException("the request is complete")));
        return thrown.StatusCode;
    }

    /// <summary>A fake: grpc-dotnet offers no context between the abort of the HTTP request and that of the gRPC call.</summary>
    private sealed class FakeCall : ServerCallContext
    {
        public FakeCall(HttpContext request) => UserState["__HttpContext"] = request;

        protected override string MethodCore => "/affect.v1.EmotionService/Analyze";
        protected override string HostCore => "localhost";
        protected override string PeerCore => "ipv4:127.0.0.1:1";
        protected override DateTime DeadlineCore => DateTime.MaxValue;
        protected override Metadata RequestHeadersCore { get; } = [];
        protected override CancellationToken CancellationTokenCore => CancellationToken.None;
        protected override Metadata ResponseTrailersCore { get; } = [];
        protected override Status StatusCore { get; set; }
        protected override WriteOptions? WriteOptionsCore { get; set; }
        protected override AuthContext AuthContextCore { get; } = new(null, []);

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) =>
            throw new NotSupportedException();

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }
}
