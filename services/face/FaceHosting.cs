using Affect.Inference;
using Microsoft.Extensions.Options;

namespace Affect.Face;

/// <summary>The face service, for whatever process it lives in.</summary>
public static class FaceHosting
{
    private const int MaxRequestBytes = 1024 * 1024;

    /// <summary>Adds the service on top of <c>AddAffectDefaults</c>.</summary>
    public static void AddFace(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<FaceOptions>, FaceOptionsValidator>();
        builder.Services.AddOptions<FaceOptions>().BindConfiguration("Face").ValidateOnStart();
        builder.Services.AddClassifiers<FaceOptions>(Modality.Face, healthCheck: "face");
        builder.Services.AddGrpc().AddServiceOptions<FaceService>(options => options.MaxReceiveMessageSize = MaxRequestBytes);
    }

    /// <summary>Maps the service.</summary>
    public static void MapFace(this WebApplication app) => app.MapGrpcService<FaceService>();
}
