using Affect.Hosting;
using Affect.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;

namespace Affect.Client;

/// <summary>
/// Client of Affect. One instance serves a whole process: it is thread-safe, reuses connections, and balances requests
/// over the addresses of a <c>dns:///</c> name.
/// </summary>
public sealed class AffectClient : IDisposable
{
    // Requests are buffered for retries; larger ones are sent once.
    private const int MaxRetryBytes = 64 * 1024 * 1024;

    private readonly AffectClientOptions _options;
    private readonly GrpcChannel _channel;
    private readonly EmotionService.EmotionServiceClient _service;
    private readonly Metadata _headers = [];

    /// <summary>Creates a client of the gateway at <paramref name="address"/>.</summary>
    /// <param name="address">See <see cref="AffectClientOptions.Address"/>.</param>
    /// <param name="apiKey">See <see cref="AffectClientOptions.ApiKey"/>.</param>
    public AffectClient(string address, string? apiKey = null)
        : this(new AffectClientOptions { Address = address, ApiKey = apiKey })
    {
    }

    /// <summary>Creates a client with options.</summary>
    /// <param name="options">Read once.</param>
    /// <exception cref="ArgumentException">The address is invalid.</exception>
    public AffectClient(AffectClientOptions options)
    {
        if (!AffectClientOptions.IsAddress(options.Address))
            throw new ArgumentException(
                $"Address '{options.Address}' must be http://host:port, https://host:port or dns:///name:port", nameof(options));
        _options = options;
        if (options.ApiKey is { Length: > 0 } key)
            _headers.Add("x-api-key", key);
        _channel = GrpcChannel.ForAddress(options.Address, new GrpcChannelOptions
        {
            Credentials = options.Address.StartsWith("https:", StringComparison.OrdinalIgnoreCase)
                ? ChannelCredentials.SecureSsl
                : ChannelCredentials.Insecure,
            HttpHandler = new SocketsHttpHandler
            {
                // While an address does not answer, the name is not resolved again.
                ConnectTimeout = TimeSpan.FromSeconds(5),
                // Detects within a minute that a peer is gone.
                KeepAlivePingDelay = TimeSpan.FromSeconds(30),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                EnableMultipleHttp2Connections = true,
            },
            DisposeHttpClient = true,
            MaxRetryBufferPerCallSize = MaxRetryBytes,
            MaxRetryBufferSize = 4 * MaxRetryBytes,
            // The default maximum is two minutes, longer than a call is resumed.
            InitialReconnectBackoff = Backoff.Initial,
            MaxReconnectBackoff = Backoff.Max,
            ServiceConfig = CreateServiceConfig(options.MaxAttempts),
        });
        _service = new EmotionService.EmotionServiceClient(_channel);
    }

    /// <summary>Analyzes one clip.</summary>
    /// <exception cref="AffectException">The server rejected the clip or is unreachable.</exception>
    /// <exception cref="IOException">A file or stream of the clip could not be read.</exception>
    public async Task<Analysis> AnalyzeAsync(Clip clip, CancellationToken cancellation = default)
    {
        var request = new AnalyzeRequest { Clip = await clip.ToProtoAsync(cancellation).ConfigureAwait(false) };
        var response = await SendAsync(options => _service.AnalyzeAsync(request, options), cancellation).ConfigureAwait(false);
        return response.Analysis.ToAnalysis();
    }

    /// <summary>Starts a call. Returns immediately; the call reports errors.</summary>
    /// <param name="options">Media of the call and models.</param>
    /// <param name="cancellation">Cancels the call at any time.</param>
    public AffectCall StartCall(StreamOptions options, CancellationToken cancellation = default) =>
        new(_service.AnalyzeStream, _headers, options, _options.MaxAttempts, cancellation);

    /// <summary>Lists the models that a clip can name, by modality, then name.</summary>
    /// <param name="modality">Only models of this modality; null for all.</param>
    /// <param name="cancellation">Cancels the request.</param>
    /// <exception cref="AffectException">The server is unreachable.</exception>
    public async Task<IReadOnlyList<Model>> ListModelsAsync(Modality? modality = null, CancellationToken cancellation = default)
    {
        var request = new ListModelsRequest { Modality = modality.ToProto() };
        var response = await SendAsync(options => _service.ListModelsAsync(request, options), cancellation).ConfigureAwait(false);
        return [.. response.Models.Select(Mapping.ToModel)];
    }

    /// <summary>Gets one model with its metrics.</summary>
    /// <param name="name">For example "cnn-attention".</param>
    /// <param name="cancellation">Cancels the request.</param>
    /// <exception cref="AffectException">NOT_FOUND: the model does not exist.</exception>
    public async Task<Model> GetModelAsync(string name, CancellationToken cancellation = default)
    {
        var request = new GetModelRequest { Name = name };
        var response = await SendAsync(options => _service.GetModelAsync(request, options), cancellation).ConfigureAwait(false);
        return response.Model.ToModel();
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _channel.Dispose();

    // gRPC retries a request that reached no server, at the next address of the name.
    private static ServiceConfig CreateServiceConfig(int maxAttempts)
    {
        var config = new ServiceConfig { LoadBalancingConfigs = { new RoundRobinConfig() } };
        // AffectCall resumes streams itself; a retry policy would buffer their media a second time.
        config.MethodConfigs.Add(new MethodConfig
        {
            Names = { new MethodName { Service = EmotionService.Descriptor.FullName, Method = "AnalyzeStream" } },
        });
        if (maxAttempts > 1)
            config.MethodConfigs.Add(new MethodConfig
            {
                Names = { MethodName.Default },
                RetryPolicy = Backoff.CreateRetryPolicy(maxAttempts),
            });
        return config;
    }

    // Retries, unless the deadline is earlier, what gRPC's retry policy does not: after the delay in google.rpc.RetryInfo, and requests
    // that were lost under another code than UNAVAILABLE.
    private async Task<TResponse> SendAsync<TResponse>(
        Func<CallOptions, AsyncUnaryCall<TResponse>> send, CancellationToken cancellation)
    {
        var deadline = DateTime.UtcNow + _options.Deadline;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await send(new CallOptions(_headers, deadline, cancellation)).ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                cancellation.ThrowIfCancellationRequested();
                var error = new AffectException(exception);
                var wait = exception.StatusCode switch
                {
                    StatusCode.ResourceExhausted when error.RetryAfter is { } delay => delay,
                    not StatusCode.Unavailable when exception.IsLost() => Backoff.GetCallDelay(attempt),
                    _ => Timeout.InfiniteTimeSpan,
                };
                if (wait < TimeSpan.Zero || attempt >= _options.MaxAttempts || DateTime.UtcNow + wait >= deadline)
                    throw error;
                await Task.Delay(wait, cancellation).ConfigureAwait(false);
            }
        }
    }
}
