using Affect.Inference;
using Affect.Inference.Grpc;
using Microsoft.Extensions.Options;

namespace Affect.Speech;

/// <summary>Hosts the speech models in a separate process, in the one-process host or in tests.</summary>
public static class SpeechHosting
{
    /// <summary>Adds the service on top of <c>AddAffectDefaults</c>.</summary>
    public static void AddSpeech(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<SpeechOptions>, SpeechOptionsValidator>();
        builder.Services.AddOptions<SpeechOptions>().BindConfiguration("Speech").ValidateOnStart();
        builder.Services.AddClassifierService<SpeechOptions>(Modality.Speech, healthCheck: "speech");
    }

    /// <summary>Maps the service.</summary>
    public static void MapSpeech(this WebApplication app) => app.MapClassifierService();
}
