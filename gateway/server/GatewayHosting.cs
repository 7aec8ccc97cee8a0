using Affect.Fusion.V1;
using Affect.Gateway.Access;
using Affect.Gateway.Calls;
using Affect.Gateway.Clips;
using Affect.Gateway.Errors;
using Affect.Gateway.Events;
using Affect.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace Affect.Gateway;

/// <summary>Adds the gateway to the container, the one-process host and the tests.</summary>
public static class GatewayHosting
{
    /// <summary>Channel of streams, apart from clips, whose media would delay them.</summary>
    internal const string StreamChannel = "gateway->fusion, streams";

    /// <summary>Methods of what can be read.</summary>
    internal static readonly string[] GetAndHead = [HttpMethods.Get, HttpMethods.Head];

    private const string UnaryChannel = "gateway->fusion";
    private const string KeyOrToken = "key or token";

    /// <summary>Adds the gateway's services; section <c>Gateway</c> configures them.</summary>
    public static void AddGateway(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        AddOptions(services);
        AddFusion(services);
        AddEvents(services);
        AddAuthentication(services);
        AddCompression(services);
        services.AddCors();
        services.AddRateLimiter();
        services.AddSingleton<IConfigureOptions<RateLimiterOptions>, ClientLimits>();
        services.AddSingleton<BodyBudget>();
        // The endpoint of unknown services would match every path of two segments, and hide that only the method is wrong.
        services.AddGrpc(grpc => grpc.IgnoreUnknownServices = true)
            .AddServiceOptions<GatewayService>(grpc => grpc.MaxReceiveMessageSize = LimitOptions.MaxRequestBytesLimit);
        // Ready as soon as it listens: without fusion it still answers with an error.
        services.AddHealthChecks().AddCheck("gateway", () => HealthCheckResult.Healthy());
    }

    /// <summary>Maps the public API over gRPC, REST and WebSocket, the web page, and health over HTTP.</summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseStatusCodePages(page => WriteStatusPageAsync(page.HttpContext));
        UseCors(app);
        app.UseMiddleware<BrowserRequestMiddleware>();
        // Keeps proxies from closing idle connections; fusion ends calls that stall.
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(15) });
        app.UseAuthentication();
        // Before authorization, so that guessed keys count against the limit.
        app.UseRateLimiter();
        app.UseAuthorization();
        app.UseMiddleware<ResponseTimeoutMiddleware>();
        app.UseMiddleware<RequestBodyMiddleware>();

        AddLimits(app.MapGrpcService<GatewayService>());
        AddLimits(app.MapRest());
        app.MapDapr();
        app.MapPages();
        app.MapHealthChecks("/healthz/live", new HealthCheckOptions { Predicate = _ => false }).WithMetadata(new HttpMethodMetadata(GetAndHead));
        app.MapHealthChecks("/healthz/ready").WithMetadata(new HttpMethodMetadata(GetAndHead));
    }

    private static void AddOptions(IServiceCollection services)
    {
        services.AddSingleton<IValidateOptions<GatewayOptions>, GatewayOptionsValidator>();
        services.AddOptions<GatewayOptions>().BindConfiguration("Gateway").ValidateOnStart();
        services.TryAddSingleton(provider => provider.GetRequiredService<IOptions<GatewayOptions>>().Value);
    }

    private static void AddFusion(IServiceCollection services)
    {
        services.AddKeyedSingleton(UnaryChannel, (provider, _) => CreateChannel(provider));
        services.AddKeyedSingleton(StreamChannel, (provider, _) => CreateChannel(provider));
        services.AddSingleton(provider =>
            new FusionService.FusionServiceClient(provider.GetRequiredKeyedService<GrpcChannel>(UnaryChannel)));
        services.AddSingleton<FusionClient>();
        services.AddSingleton<CallRelay>();
    }

    private static GrpcChannel CreateChannel(IServiceProvider provider) => PeerChannel.Create(
        provider.GetRequiredService<GatewayOptions>().FusionAddress,
        provider.GetRequiredService<IOptions<ServerOptions>>().Value.PeerTlsPath,
        inProcess: provider.GetService<InProcessTransport>());

    private static void AddEvents(IServiceCollection services)
    {
        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton<Dashboards>();
        services.AddSingleton<CallEventPublisher>();
        services.AddHostedService(provider => provider.GetRequiredService<CallEventPublisher>());
    }

    private static void AddAuthentication(IServiceCollection services)
    {
        services.AddSingleton<ApiKeyStore>();
        services.AddSingleton<IdentityProvider>();
        // Not AddAuthentication: it adds DataProtection for cookies, which writes a key file into the home folder.
        services.AddAuthenticationCore(authentication => authentication.DefaultScheme = KeyOrToken);
        services.AddWebEncoders();
        services.AddSingleton<IAuthenticationConfigurationProvider, BearerTokenSetup.EmptyConfiguration>();
        services.AddSingleton<IConfigureOptions<JwtBearerOptions>, BearerTokenSetup>();
        new AuthenticationBuilder(services)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.SchemeName, null)
            .AddJwtBearer(BearerTokenSetup.SchemeName, _ => { })
            .AddPolicyScheme(KeyOrToken, null, policy => policy.ForwardDefaultSelector = SelectScheme);
        services.AddAuthorization();
        services.AddSingleton<IConfigureOptions<AuthorizationOptions>, Scopes.Policies>();
    }

    /// <summary>A token is validated only where it matters: that may wait for the identity provider. A key takes precedence.</summary>
    private static string SelectScheme(HttpContext context) =>
        context.RequestServices.GetRequiredService<GatewayOptions>().Jwt.Authority.Length > 0
        && context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is not null
        && BearerTokenSetup.HasToken(context) && !ApiKeyHandler.HasKey(context)
            ? BearerTokenSetup.SchemeName
            : ApiKeyHandler.SchemeName;

    private static void AddCompression(IServiceCollection services) => services.AddResponseCompression(compression =>
    {
        // Safe over TLS: no compressed response contains a secret.
        compression.EnableForHttps = true;
        compression.MimeTypes = [.. ResponseCompressionDefaults.MimeTypes, "image/svg+xml"];
    });

    /// <summary>Lets pages of <see cref="GatewayOptions.AllowedOrigins"/> use the API and read its errors.</summary>
    private static void UseCors(WebApplication app)
    {
        var origins = app.Services.GetRequiredService<GatewayOptions>().AllowedOrigins;
        app.UseCors(policy => policy
            .SetIsOriginAllowed(origin => origins.Contains(origin, StringComparer.OrdinalIgnoreCase))
            .WithMethods(HttpMethods.Get, HttpMethods.Head, HttpMethods.Post)
            .WithHeaders(ApiKeyHandler.Header, HeaderNames.Authorization, HeaderNames.ContentType, "Last-Event-ID")
            .WithExposedHeaders(HeaderNames.RetryAfter, HeaderNames.WWWAuthenticate)
            .SetPreflightMaxAge(TimeSpan.FromHours(1)));
    }

    private static Task WriteStatusPageAsync(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound when context.IsGrpc() =>
            context.WriteErrorAsync(RpcErrors.Status(StatusCode.Unimplemented, "No such service.")),
        StatusCodes.Status404NotFound => context.WriteErrorAsync(RpcErrors.Status(StatusCode.NotFound, "No such endpoint; see /openapi.json.")),
        StatusCodes.Status405MethodNotAllowed => context.WriteErrorAsync(
            RpcErrors.Status(StatusCode.Unimplemented, $"Method not allowed; must be {context.Response.Headers.Allow}."),
            StatusCodes.Status405MethodNotAllowed),
        _ => Task.CompletedTask,
    };

    // Each endpoint requires its scope itself.
    private static void AddLimits(IEndpointConventionBuilder endpoints) => endpoints.WithMetadata(new PublicApiMetadata());
}
