using Affect.Inference;
using Microsoft.Extensions.Options;

namespace Affect.Speech;

/// <summary>The speech service, for whatever process it lives in.</summary>
public static class SpeechHosting
{
    private const int MaxRequestBytes = 1024 * 1024;

    /// <summary>Adds the service on top of <c>AddAffectDefaults</c>.</summary>
    public static void AddSpeech(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidateOptions<SpeechOptions>, SpeechOptionsValidator>();
        builder.Services.AddOptions<SpeechOptions>().BindConfiguration("Speech").ValidateOnStart();
        builder.Services.AddClassifiers<SpeechOptions>(Modality.Speech, healthCheck: "speech");
        builder.Services.AddGrpc().AddServiceOptions<SpeechService>(options => options.MaxReceiveMessageSize = MaxRequestBytes);
    }

    /// <summary>Maps the service.</summary>
    public static void MapSpeech(this WebApplication app) => app.MapGrpcService<SpeechService>();
}
