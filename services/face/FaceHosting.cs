using Affect.Inference;
using Affect.Inference.Grpc;
using Microsoft.Extensions.Options;

namespace Affect.Face;

/// <summary>Hosts the face models in a separate process, in the one-process host or in tests.</summary>
public static class FaceHosting
{
    /// <summary>Adds the service on top of <c>AddAffectDefaults</c>.</summary>
    public static void AddFace(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<FaceOptions>, FaceOptionsValidator>();
        builder.Services.AddOptions<FaceOptions>().BindConfiguration("Face").ValidateOnStart();
        builder.Services.AddClassifierService<FaceOptions>(Modality.Face, healthCheck: "face");
    }

    /// <summary>Maps the service.</summary>
    public static void MapFace(this WebApplication app) => app.MapClassifierService();
}
