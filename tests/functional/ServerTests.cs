using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Affect.Client;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Testing;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Options;

namespace Affect.FunctionalTests;

/// <summary>Common to every process: separate ports for probes and Prometheus, mutual TLS between services.</summary>
public sealed class ServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-server-").FullName;
    private readonly FakeLogCollector _logs = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MutualTls_SameAuthority_Connects()
    {
        using var authority = Authority("inside");
        await using var server = await StartAsync(("Server:TlsPath", Certificate(authority, "server")), ("Server:RequireClientCertificate", "true"));

        // By a name that DNS resolves, as in the chart's headless services.
        using var channel = PeerChannel.Create($"dns:///localhost:{server.Port(0)}", Certificate(authority, "peer"));

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await HealthAsync(channel));
    }

    [Fact]
    public async Task MutualTls_OtherAuthorityOrNoCertificate_IsRejected()
    {
        using var authority = Authority("inside");
        using var stranger = Authority("outside");
        var own = Certificate(authority, "server");
        await using var server = await StartAsync(("Server:TlsPath", own), ("Server:RequireClientCertificate", "true"));
        var address = $"dns:///localhost:{server.Port(0)}";

        // The client trusts the server's authority, but the server does not trust the client's.
        var peer = Certificate(stranger, "peer");
        File.Copy(Path.Combine(own, "ca.crt"), Path.Combine(peer, "ca.crt"), overwrite: true);
        using (var channel = PeerChannel.Create(address, peer))
            await RefusedAsync(channel);

        // The server trusts the client's authority, but the client does not trust the server's.
        var other = Certificate(authority, "other");
        File.Copy(Path.Combine(Certificate(stranger, "stranger"), "ca.crt"), Path.Combine(other, "ca.crt"), overwrite: true);
        using (var channel = PeerChannel.Create(address, other))
            await RefusedAsync(channel);

        using var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { authority } };
        using (var channel = GrpcChannel.ForAddress($"https://localhost:{server.Port(0)}", new() { HttpHandler = handler }))
            await RefusedAsync(channel);

        using (var channel = PeerChannel.Create($"http://localhost:{server.Port(0)}"))
            await RefusedAsync(channel);
    }

    [Fact]
    public async Task MutualTls_CertificateForOtherName_IsRejected()
    {
        using var authority = Authority("inside");
        await using var server = await StartAsync(("Server:TlsPath", Certificate(authority, "server", host: "affect-speech")));
        using var channel = PeerChannel.Create($"dns:///localhost:{server.Port(0)}", Certificate(authority, "peer"));
        await RefusedAsync(channel);
    }

    [Fact]
    public async Task HealthPort_WithTls_ServesHealthOnlyInPlaintext()
    {
        using var authority = Authority("inside");
        await using var server = await StartAsync(
            ("Server:TlsPath", Certificate(authority, "server")), ("Server:RequireClientCertificate", "true"),
            ("Server:HealthPort", "0"), ("Server:Reflection", "true"));

        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{server.Port(1)}");
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await HealthAsync(channel));

        using var reflection = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(cancellationToken: Cancellation);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => reflection.ResponseStream.MoveNext(Cancellation));
        Assert.Equal(StatusCode.Unimplemented, refusal.StatusCode);
    }

    [Fact]
    public async Task Health_NotReady_IsLive()
    {
        await using var server = await StartAsync(
            builder => builder.Services.AddHealthChecks().AddCheck("models", () => HealthCheckResult.Unhealthy("being loaded")),
            ("Server:HealthPort", "0"));
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{server.Port(1)}");

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await HealthAsync(channel));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await HealthAsync(channel, "live"));
    }

    [Fact]
    public async Task MetricsPort_Requests_ServesMetricsOnly()
    {
        await using var server = await StartAsync(("Server:MetricsPort", "0"));
        using var grpc = GrpcChannel.ForAddress($"http://127.0.0.1:{server.Port(0)}");
        await HealthAsync(grpc);
        await Assert.ThrowsAsync<RpcException>(() => HealthAsync(grpc, "unknown"));

        // Requests are measured when they end, which the client may see earlier. The HTTP status of both is 200.
        using var client = new HttpClient();
        foreach (var status in (string[])["OK", "NOT_FOUND"])
            for (var deadline = DateTime.UtcNow.AddMinutes(1); !(await client.GetStringAsync($"http://127.0.0.1:{server.Port(1)}/metrics", Cancellation))
                .Split('\n').Any(line => line.StartsWith("http_server_request_duration_seconds_count", StringComparison.Ordinal)
                    && line.Contains($"rpc_response_status_code=\"{status}\"", StringComparison.Ordinal)); await Task.Delay(50, Cancellation))
                Assert.True(DateTime.UtcNow < deadline, $"No request with {status} was measured within a minute.");
        var elsewhere = await client.GetAsync($"http://127.0.0.1:{server.Port(1)}/", Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);

        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{server.Port(0)}/metrics")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        Assert.Equal(HttpStatusCode.NotFound, (await client.SendAsync(request, Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Metrics_QueueTime_HasNameUsedByChart()
    {
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?> { ["Server:MetricsPort"] = "0" });
        using (var affect = new AffectClient(host.Gateway.GrpcAddress))
            await affect.AnalyzeAsync(new Clip { Audio = Media.FromBytes(TestMedia.Speech()) }, Cancellation);

        var metrics = host.Speech.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.ElementAt(1);
        using var client = new HttpClient();
        Assert.Contains("affect_inference_queue_duration_seconds_bucket{", await client.GetStringAsync(new Uri($"{metrics}/metrics"), Cancellation));
    }

    [Fact]
    public async Task ServerOptions_Invalid_NamesEveryMistake()
    {
        var refusal = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(
            ("Server:TlsPath", _folder), ("Server:PeerTlsPath", Path.Combine(_folder, "none")), ("Server:GrpcPort", "70000")));

        foreach (var name in (string[])["TlsPath", "PeerTlsPath", "GrpcPort"])
            Assert.Contains(refusal.Failures, failure => failure.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Options_InvalidSections_AreReportedTogether()
    {
        var refusal = await Assert.ThrowsAsync<AggregateException>(() => StartAsync(
            builder => builder.AddGateway(),
            ("Server:GrpcPort", "70000"), ("Gateway:FusionAddress", "nonsense"), ("Gateway:ApiKeys:app:Sha256", "abc"), ("Gateway:Jwt:Authority", "http://login.example")));

        foreach (var name in (string[])["GrpcPort", "FusionAddress", "ApiKeys:app: Sha256", "Jwt:Authority", "Jwt:Audience"])
            Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        _logs.ThrowOnErrors();
    }

    private Task<Server> StartAsync(params (string Key, string Value)[] settings) => StartAsync(_ => { }, settings);

    private async Task<Server> StartAsync(Action<WebApplicationBuilder> add, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Server:Address"] = "127.0.0.1", ["Server:GrpcPort"] = "0" });
        builder.Configuration.AddInMemoryCollection(settings.ToDictionary(setting => setting.Key, setting => (string?)setting.Value));
        builder.Logging.ClearProviders().AddProvider(new FakeLoggerProvider(_logs)).SetMinimumLevel(LogLevel.Information);
        builder.AddAffectDefaults("affect-test");
        add(builder);
        var app = builder.Build();
        app.MapAffectDefaults();
        await app.StartAsync(Cancellation);
        return new Server(app);
    }

    private static async Task<HealthCheckResponse.Types.ServingStatus> HealthAsync(GrpcChannel channel, string service = "") =>
        (await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest { Service = service }, cancellationToken: Cancellation)).Status;

    private static async Task RefusedAsync(GrpcChannel channel)
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() => HealthAsync(channel));
        Assert.Contains(refusal.StatusCode, (StatusCode[])[StatusCode.Unavailable, StatusCode.Internal]);
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>A folder as Kubernetes mounts it.</summary>
    private string Certificate(X509Certificate2 authority, string name, string host = "localhost")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(
            authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "tls.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(folder, "ca.crt"), authority.ExportCertificatePem());
        return folder;
    }

    /// <summary>The server of a process without a service.</summary>
    private sealed class Server(WebApplication app) : IAsyncDisposable
    {
        /// <summary>In the order in which <c>AddAffectDefaults</c> listens.</summary>
        public int Port(int index) => new Uri(app.Services.GetRequiredService<IServer>().Features
            .GetRequiredFeature<IServerAddressesFeature>().Addresses.ElementAt(index)).Port;

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
