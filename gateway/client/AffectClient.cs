using Affect.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;

namespace Affect.Client;

/// <summary>
/// Client of Affect. One instance serves a whole process: it is safe to share between threads, keeps its
/// connections, and spreads calls over the addresses of a <c>dns:///</c> name.
/// </summary>
public sealed class AffectClient : IDisposable
{
    // A request is kept until it is answered, so that it can be sent again; larger ones are sent once.
    private const int LargestRepeatedRequest = 64 * 1024 * 1024;

    private readonly AffectClientOptions _options;
    private readonly GrpcChannel _channel;
    private readonly EmotionService.EmotionServiceClient _service;
    private readonly Metadata _headers = [];

    /// <summary>A client of the gateway at <paramref name="address"/>.</summary>
    /// <param name="address">See <see cref="AffectClientOptions.Address"/>.</param>
    /// <param name="apiKey">See <see cref="AffectClientOptions.ApiKey"/>.</param>
    public AffectClient(string address, string? apiKey = null)
        : this(new AffectClientOptions { Address = address, ApiKey = apiKey })
    {
    }

    /// <summary>A client set up by options.</summary>
    /// <param name="options">Read once.</param>
    /// <exception cref="ArgumentException">The address has none of the forms it may have.</exception>
    public AffectClient(AffectClientOptions options)
    {
        if (!AffectClientOptions.IsAddress(options.Address))
            throw new ArgumentException(
                $"'{options.Address}' is no address of the form http://host:port, https://host:port or dns:///name:port", nameof(options));
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
                // Finds out within a minute that a peer is gone without a word.
                KeepAlivePingDelay = TimeSpan.FromSeconds(30),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                EnableMultipleHttp2Connections = true,
            },
            DisposeHttpClient = true,
            MaxRetryBufferPerCallSize = LargestRepeatedRequest,
            MaxRetryBufferSize = 4 * LargestRepeatedRequest,
            // gRPC's own go up to two minutes, and a call gives up before.
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(200),
            MaxReconnectBackoff = TimeSpan.FromSeconds(2),
            ServiceConfig = Unreachable(options.MaxAttempts),
        });
        _service = new EmotionService.EmotionServiceClient(_channel);
    }

    /// <summary>Tells the emotions of one clip.</summary>
    /// <exception cref="AffectException">The server refused the clip, or could not be reached.</exception>
    /// <exception cref="IOException">A file or stream of the clip could not be read.</exception>
    public async Task<Analysis> AnalyzeAsync(Clip clip, CancellationToken cancellation = default)
    {
        var request = new AnalyzeRequest { Clip = await clip.ToProtoAsync(cancellation).ConfigureAwait(false) };
        var response = await CallAsync(options => _service.AnalyzeAsync(request, options), cancellation).ConfigureAwait(false);
        return response.Analysis.ToAnalysis();
    }

    /// <summary>Begins a call, to be analysed while it is spoken. Returns at once; what fails is told by the call.</summary>
    /// <param name="options">What comes and what is wanted.</param>
    /// <param name="cancellation">Gives the call up, whenever.</param>
    public AffectCall StartCall(StreamOptions options, CancellationToken cancellation = default) =>
        new(_service.AnalyzeStream, _headers, options, _options.MaxAttempts, cancellation);

    /// <summary>The models that a clip can name, by modality, then name.</summary>
    /// <param name="modality">Only models of this modality; all where null.</param>
    /// <param name="cancellation">Gives the call up.</param>
    /// <exception cref="AffectException">The server could not be reached.</exception>
    public async Task<IReadOnlyList<Model>> ListModelsAsync(Modality? modality = null, CancellationToken cancellation = default)
    {
        var request = new ListModelsRequest { Modality = modality.ToProto() };
        var response = await CallAsync(options => _service.ListModelsAsync(request, options), cancellation).ConfigureAwait(false);
        return [.. response.Models.Select(Mapping.ToModel)];
    }

    /// <summary>One model with its metrics.</summary>
    /// <param name="name">For example "cnn-attention".</param>
    /// <param name="cancellation">Gives the call up.</param>
    /// <exception cref="AffectException">NOT_FOUND: no model of that name.</exception>
    public async Task<Model> GetModelAsync(string name, CancellationToken cancellation = default)
    {
        var request = new GetModelRequest { Name = name };
        var response = await CallAsync(options => _service.GetModelAsync(request, options), cancellation).ConfigureAwait(false);
        return response.Model.ToModel();
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _channel.Dispose();

    // gRPC itself repeats a call that reached nobody, with growing, jittered pauses; another address of
    // the name gets it then.
    private static ServiceConfig Unreachable(int maxAttempts)
    {
        var config = new ServiceConfig { LoadBalancingConfigs = { new RoundRobinConfig() } };
        // A call goes on by itself; gRPC would keep its media a second time.
        config.MethodConfigs.Add(new MethodConfig
        {
            Names = { new MethodName { Service = EmotionService.Descriptor.FullName, Method = "AnalyzeStream" } },
        });
        if (maxAttempts > 1)
            config.MethodConfigs.Add(new MethodConfig
            {
                Names = { MethodName.Default },
                RetryPolicy = new RetryPolicy
                {
                    MaxAttempts = maxAttempts,
                    InitialBackoff = TimeSpan.FromMilliseconds(200),
                    BackoffMultiplier = 2,
                    MaxBackoff = TimeSpan.FromSeconds(2),
                    RetryableStatusCodes = { StatusCode.Unavailable },
                },
            });
        return config;
    }

    // A server that says how long to wait is taken at its word (google.rpc.RetryInfo, which gRPC's own
    // retries do not know), unless the deadline comes first.
    private async Task<TResponse> CallAsync<TResponse>(
        Func<CallOptions, AsyncUnaryCall<TResponse>> call, CancellationToken cancellation)
    {
        var deadline = DateTime.UtcNow + _options.Deadline;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call(new CallOptions(_headers, deadline, cancellation)).ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                cancellation.ThrowIfCancellationRequested();
                var error = new AffectException(exception);
                if (error.StatusCode != StatusCode.ResourceExhausted || attempt >= _options.MaxAttempts ||
                    error.RetryAfter is not { } wait || DateTime.UtcNow + wait >= deadline)
                    throw error;
                await Task.Delay(wait, cancellation).ConfigureAwait(false);
            }
        }
    }
}
