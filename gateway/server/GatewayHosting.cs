using Affect.Fusion.V1;
using Affect.Gateway.Access;
using Affect.Gateway.Calls;
using Affect.Gateway.Clips;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Affect.Gateway;

/// <summary>What the container, the one-process host and the tests call.</summary>
public static class GatewayHosting
{
    private const string KeyOrToken = "key or token";
    private const string FusionChannel = "gateway->fusion";

    /// <summary>Calls have a channel that repeats nothing: to repeat a stream is to keep what was sent of it.</summary>
    internal const string StreamChannel = "gateway->fusion, streams";

    /// <summary>Repeats what was lost on the way to fusion, which itself repeats what lies behind it.</summary>
    private static RetryPolicy Retry => new()
    {
        MaxAttempts = 3,
        InitialBackoff = TimeSpan.FromMilliseconds(100),
        MaxBackoff = TimeSpan.FromSeconds(1),
        BackoffMultiplier = 2,
        RetryableStatusCodes = { StatusCode.Unavailable },
    };

    /// <summary>Adds the gateway; keys, limits and fusion's address come from section <c>Gateway</c>.</summary>
    public static void AddGateway(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<IValidateOptions<GatewayOptions>, GatewayOptionsValidator>();
        services.AddOptions<GatewayOptions>().BindConfiguration("Gateway").ValidateOnStart();
        services.TryAddSingleton(provider => provider.GetRequiredService<IOptions<GatewayOptions>>().Value);

        services.AddKeyedSingleton(FusionChannel, (provider, _) => CreateChannel(provider, Retry));
        services.AddSingleton(provider =>
            new FusionService.FusionServiceClient(provider.GetRequiredKeyedService<GrpcChannel>(FusionChannel)));
        services.AddKeyedSingleton(StreamChannel, (provider, _) => CreateChannel(provider));
        services.AddSingleton<Upstream>();
        services.AddSingleton<CallPipe>();
        services.AddSingleton<Callers>();

        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton<Dashboards>();
        services.AddSingleton<CallEvents>();
        services.AddHostedService(provider => provider.GetRequiredService<CallEvents>());

        // Not AddAuthentication: it brings DataProtection for cookies, which writes a key file into the home folder.
        services.AddAuthenticationCore(authentication => authentication.DefaultScheme = KeyOrToken);
        services.AddWebEncoders();
        services.AddSingleton<IAuthenticationConfigurationProvider, BearerTokens.NoSettings>();
        services.AddSingleton<IConfigureOptions<JwtBearerOptions>, BearerTokens>();
        new AuthenticationBuilder(services)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.SchemeName, null)
            .AddJwtBearer(BearerTokens.SchemeName, _ => { })
            .AddPolicyScheme(KeyOrToken, null, either => either.ForwardDefaultSelector = context =>
                context.RequestServices.GetRequiredService<GatewayOptions>().Jwt.Authority.Length > 0 && BearerTokens.In(context)
                    ? BearerTokens.SchemeName
                    : ApiKeyHandler.SchemeName);
        services.AddAuthorization();
        services.AddSingleton<IConfigureOptions<AuthorizationOptions>, Scopes.Policies>();
        services.AddRateLimiter(limiter => limiter.AddPolicy<string, RateLimit>(RateLimit.Policy));
        services.AddGrpc().AddServiceOptions<GatewayService>(grpc => grpc.MaxReceiveMessageSize = LimitOptions.LargestRequest);
        // Nothing that is compressed holds a secret, so TLS is no reason not to.
        services.AddResponseCompression(compression =>
        {
            compression.EnableForHttps = true;
            compression.MimeTypes = [.. ResponseCompressionDefaults.MimeTypes, "image/svg+xml"];
        });
        // Ready as soon as it listens: without fusion it still tells callers what is missing.
        services.AddHealthChecks().AddCheck("gateway", () => HealthCheckResult.Healthy());

        static GrpcChannel CreateChannel(IServiceProvider provider, RetryPolicy? retry = null) => PeerChannel.Create(
            provider.GetRequiredService<GatewayOptions>().FusionAddress,
            provider.GetRequiredService<IOptions<ServerOptions>>().Value.PeerTlsPath,
            retry: retry);
    }

    /// <summary>Maps the public API over gRPC, REST and WebSocket, its pages, and health over HTTP.</summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/v1"),
            rest => rest.UseStatusCodePages(page => page.HttpContext.RefuseAsync(
                RpcErrors.Status(StatusCode.NotFound, "There is nothing here; /openapi.json tells what there is."),
                page.HttpContext.Response.StatusCode)));
        // Keeps proxies from closing what is quiet; who is gone is found out by fusion, which hears nothing.
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(15) });
        app.UseAuthentication();
        // Before authorization, so that guessing keys is limited as well.
        app.UseRateLimiter();
        app.UseAuthorization();
        app.UseMiddleware<SizeLimit>();

        Guard(app.MapGrpcService<GatewayService>());
        Guard(app.MapRest());
        app.MapDapr();
        app.MapPages();
        app.MapHealthChecks("/healthz/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/healthz/ready");

        // Who may what each endpoint says itself: it asks for a scope.
        static void Guard(IEndpointConventionBuilder endpoints) =>
            endpoints.WithMetadata(new PublicApi()).RequireRateLimiting(RateLimit.Policy);
    }
}
