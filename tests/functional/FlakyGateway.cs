using Affect.Testing;
using Affect.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.FunctionalTests;

/// <summary>A fake gateway that fails a given number of times or hangs, which the real gateway does not do on demand.</summary>
internal sealed class FlakyGateway : EmotionService.EmotionServiceBase, IAsyncDisposable
{
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _failures;
    private readonly Func<RpcException> _error;
    private readonly bool _hang;
    private TestService? _service;
    private int _calls;

    private FlakyGateway(int failures, Func<RpcException> error, bool hang)
    {
        _failures = failures;
        _error = error;
        _hang = hang;
    }

    public string Address => _service!.GrpcAddress;

    public int Calls => Volatile.Read(ref _calls);

    public string? LastKey { get; private set; }

    /// <summary>Completes when a request arrives.</summary>
    public Task Entered => _entered.Task;

    /// <param name="failures">Number of requests that fail before one succeeds.</param>
    /// <param name="error">The error of the failed requests.</param>
    /// <param name="hang">True if the other requests last until they are canceled.</param>
    /// <param name="address">IP address to listen on.</param>
    /// <param name="port">Null for any.</param>
    public static async Task<FlakyGateway> StartAsync(
        int failures = 0, Func<RpcException>? error = null, bool hang = false, string address = "127.0.0.1", int? port = null)
    {
        var gateway = new FlakyGateway(failures, error ?? (() => new RpcException(Status.DefaultCancelled)), hang);
        var configuration = new Dictionary<string, string?> { ["Server:Address"] = address };
        if (port is not null)
            configuration["Server:GrpcPort"] = $"{port}";
        gateway._service = await TestService.StartAsync(
            "flaky-gateway", new FakeLogCollector(),
            builder => builder.Services.AddSingleton(gateway).AddHealthChecks().AddCheck("flaky", () => HealthCheckResult.Healthy()),
            app => app.MapGrpcService<FlakyGateway>(),
            configuration);
        return gateway;
    }

    public override async Task<AnalyzeResponse> Analyze(AnalyzeRequest request, ServerCallContext context)
    {
        LastKey = context.RequestHeaders.GetValue("x-api-key");
        _entered.TrySetResult();
        if (Interlocked.Increment(ref _calls) <= _failures)
            throw _error();
        if (_hang)
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        return new AnalyzeResponse { Analysis = new Analysis { Fused = new FusedResult { Judgement = new() { Outcome = Outcome.NoFace } } } };
    }

    public ValueTask DisposeAsync() => _service!.DisposeAsync();
}
