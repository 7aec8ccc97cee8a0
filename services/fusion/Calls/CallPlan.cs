using System.Security.Cryptography;
using Affect.Audio;
using Affect.Features.V1;
using Affect.Fusion.Clips;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>One channel of a call.</summary>
/// <param name="Role">Role of the speaker.</param>
/// <param name="HasAudio">True for a channel of the audio.</param>
/// <param name="Emotion">True if the windows of the channel are scored.</param>
/// <param name="Video">True if the frames show this speaker.</param>
internal sealed record PlannedChannel(SpeakerRole Role, bool HasAudio, bool Emotion, bool Video);

/// <summary>A validated configuration. Windows are counted in samples at 22,050 Hz, as those of clips are.</summary>
internal sealed record CallPlan
{
    /// <summary>Default window if no voice is scored.</summary>
    private static readonly TimeSpan DefaultWindow = TimeSpan.FromSeconds(3);

    public required string SessionId { get; init; }

    /// <summary>The channels of the audio, then that of the video if it has no audio.</summary>
    public required IReadOnlyList<PlannedChannel> Channels { get; init; }

    public required AudioEncoding ProtoEncoding { get; init; }

    public required SampleEncoding Encoding { get; init; }

    /// <summary>Sample rate in hertz; 0 without audio.</summary>
    public required int Rate { get; init; }

    public required TimeSpan WindowTime { get; init; }

    public required TimeSpan HopTime { get; init; }

    /// <summary>Null if no voice is scored.</summary>
    public required Model? Speech { get; init; }

    /// <summary>Null if no face is scored.</summary>
    public required Model? Face { get; init; }

    /// <summary>SHA-256 of the configuration without its <c>resume</c>.</summary>
    public required ByteString Digest { get; init; }

    public int AudioChannels => Channels.Count(channel => channel.HasAudio);

    public bool HasVideo => Channels.Any(channel => channel.Video);

    /// <summary>Bytes of one sample of all audio channels.</summary>
    public int FrameBytes => AudioChannels * Encoding.Width();

    /// <summary>Length of a window, and distance between the nominal starts of two, in samples at 22,050 Hz.</summary>
    public int Window => Samples(WindowTime);

    /// <inheritdoc cref="Window"/>
    public int Hop => Samples(HopTime);

    /// <summary>True if the policy permits emotion inference for a role.</summary>
    public static bool MayInferEmotion(SpeakerRole role, FusionOptions options) => role == SpeakerRole.Customer || options.AgentEmotion;

    /// <summary>Validates a configuration. Returns null, with every violation in <paramref name="violations"/>, if it is invalid.</summary>
    /// <param name="config">The client's configuration.</param>
    /// <param name="options">Policy.</param>
    /// <param name="find">Finds a model by name, or the default for an empty name; null if it is not served.</param>
    /// <param name="violations">Receives violations, by fields such as "config.audio.sample_rate".</param>
    public static async Task<CallPlan?> CreateAsync(
        StreamConfig config, FusionOptions options, Func<Modality, string, Task<Model?>> find, Violations violations)
    {
        var (audio, video) = (config.Audio, config.Video);
        if (audio is null && video is null)
            violations.Add("config", "must have audio, video or both");
        violations.Add(RequestLimits.Check(config));
        if (audio is not null)
        {
            if (audio.Encoding.ToDomain() is null)
                violations.Add("config.audio.encoding", "must be L16, FLOAT32, MULAW or ALAW");
            if (audio.SampleRate is < AudioLimits.MinCallRate or > AudioLimits.MaxCallRate)
                violations.Add("config.audio.sample_rate", $"must be {AudioLimits.MinCallRate} to {AudioLimits.MaxCallRate} Hz");
            for (var i = 0; i < Math.Min(audio.Channels.Count, AudioLimits.MaxCallChannels); i++)
                if (!System.Enum.IsDefined(audio.Channels[i].Role))
                    violations.Add($"config.audio.channels[{i}].role", "must be CUSTOMER, AGENT or UNKNOWN");
        }
        if (video is not null && !System.Enum.IsDefined(video.Role))
            violations.Add("config.video.role", "must be CUSTOMER, AGENT or UNKNOWN");
        var hop = Between("config.hop", config.Hop, AudioLimits.MinHop, AudioLimits.MaxHop, ClipRules.DefaultHop);

        var scoresVoice = audio is not null && audio.Channels.Any(channel => MayInferEmotion(channel.Role, options));
        var speech = scoresVoice ? await FindAsync(Modality.Speech, config.SpeechModel, "config.speech_model") : null;
        var face = video is not null && MayInferEmotion(video.Role, options) ? await FindAsync(Modality.Face, config.FaceModel, "config.face_model") : null;
        var longest = speech?.Input.Window?.ToTimeSpan() ?? DefaultWindow;
        var window = Between("config.window", config.Window, AudioLimits.MinWindow, longest, longest);
        if (violations.Any)
            return null;

        var channels = (audio?.Channels ?? []).Select(channel => new PlannedChannel(
            channel.Role, HasAudio: true, Emotion: MayInferEmotion(channel.Role, options), Video: false)).ToList();
        if (video is not null)
        {
            var withVideo = channels.FindIndex(channel => channel.Role == video.Role);
            if (withVideo >= 0)
                channels[withVideo] = channels[withVideo] with { Video = true };
            else
                channels.Add(new(video.Role, HasAudio: false, Emotion: MayInferEmotion(video.Role, options), Video: true));
        }
        var withoutResume = config.Clone();
        withoutResume.Resume = ByteString.Empty;
        return new CallPlan
        {
            SessionId = config.SessionId.Length > 0 ? config.SessionId : Guid.CreateVersion7().ToString("N"),
            Channels = channels,
            ProtoEncoding = audio?.Encoding ?? default,
            Encoding = audio?.Encoding.ToDomain() ?? default,
            Rate = audio?.SampleRate ?? 0,
            WindowTime = window,
            HopTime = hop,
            Speech = speech,
            Face = face,
            Digest = ByteString.CopyFrom(SHA256.HashData(withoutResume.ToByteArray())),
        };

        async Task<Model?> FindAsync(Modality modality, string name, string field)
        {
            var model = await find(modality, name);
            if (model is null)
                violations.Add(field, $"must be the name of a {modality.ToString().ToLowerInvariant()} model; '{name}' is not served (see ListModels)");
            return model;
        }

        TimeSpan Between(string field, Duration? duration, TimeSpan min, TimeSpan max, TimeSpan defaultValue)
        {
            if (duration is null)
                return defaultValue;
            if (duration.TryToTimeSpan(min, max, out var time))
                return time;
            violations.Add(field, $"must be {min.TotalSeconds} to {max.TotalSeconds} s");
            return defaultValue;
        }
    }

    /// <summary>The first response of a call: its models, windows and channels.</summary>
    public StreamStarted Describe(long audioPosition)
    {
        var started = new StreamStarted
        {
            SessionId = SessionId,
            SpeechModel = Speech?.Reference,
            FaceModel = Face?.Reference,
            Window = Duration.FromTimeSpan(WindowTime),
            Hop = Duration.FromTimeSpan(HopTime),
            AudioPosition = audioPosition,
        };
        foreach (var channel in Channels)
            started.Channels.Add(new ChannelPolicy { Role = channel.Role, Emotion = channel.Emotion });
        return started;
    }

    /// <summary>Time of a sample at 22,050 Hz.</summary>
    public static TimeSpan Time(long sample) => TimeSpan.FromSeconds((double)sample / FeatureExtractor.SampleRate);

    /// <summary>Time of a sample at the call's own rate.</summary>
    public TimeSpan TimeOf(long sample) => TimeSpan.FromSeconds((double)sample / Rate);

    /// <summary>Samples at the call's own rate that features needs for a window up to <paramref name="end"/> (at 22,050 Hz).</summary>
    public long SamplesAt(long end) => CallTiming.EndNeeded(end, Rate);

    /// <summary>Samples that features may need again: warm-up, a window, and the next two starts.</summary>
    public long SamplesKept => (long)((CallTiming.WarmUp + WindowTime + (2 * HopTime)).TotalSeconds * Rate);

    /// <summary>
    /// Stands in for a response while features is unavailable: ticks without speech, and windows without features, which are reported
    /// as UNAVAILABLE.
    /// </summary>
    /// <param name="state">State of the audio before.</param>
    /// <param name="received">Samples at the call's own rate.</param>
    /// <param name="complete">True if no audio follows.</param>
    public ExtractCallResponse Skip(CallAudioState state, long received, bool complete)
    {
        var total = ((received * FeatureExtractor.SampleRate) + Rate - 1) / Rate;
        var next = state.Clone();
        var response = new ExtractCallResponse { State = next };
        var needed = received;
        foreach (var (index, channel) in next.Channels.Index())
        {
            channel.Segments.Clear();
            channel.ClearOpen();
            if (!Channels[index].Emotion)
                continue;
            while (total >= Windowing.MinLength && Windowing.At(channel.NextWindow, total, complete, Window, Hop) is { } window)
                response.Windows.Add(new CallFeatureWindow
                {
                    Channel = index,
                    Index = channel.NextWindow++,
                    Window = new()
                    {
                        Start = Duration.FromTimeSpan(Time(window.Start)),
                        End = Duration.FromTimeSpan(Time(window.Start + window.Length)),
                        HasSpeech = true,
                    },
                });
            needed = Math.Min(needed, CallTiming.FirstNeeded(Windowing.Start(Math.Max(0, channel.NextWindow - 1), Hop), Rate));
        }

        var ticks = (received * CallTiming.TickRate / Rate) - state.Ticks;
        if (ticks > 0)
        {
            response.Speech = ByteString.CopyFrom(new byte[ticks * next.Channels.Count]);
            response.Power.AddRange(new float[ticks * next.Channels.Count]);
            next.Ticks += ticks;
        }

        next.Position = Math.Max(next.Position, needed - (long)(CallTiming.WarmUp.TotalSeconds * Rate));
        return response;
    }

    private static int Samples(TimeSpan time) => (int)Math.Round(time.TotalSeconds * FeatureExtractor.SampleRate);
}
