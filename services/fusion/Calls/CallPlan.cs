using System.Security.Cryptography;
using Affect.Audio;
using Affect.Fusion.Clips;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fusion.Calls;

/// <summary>One channel of a call: who speaks, and whether its emotion is looked for.</summary>
internal sealed record PlannedChannel(SpeakerRole Role, bool HasAudio, bool Emotion, bool Video);

/// <summary>A checked configuration: what comes and what is wanted. Windows are counted in samples at 22,050 Hz, as those of clips are.</summary>
internal sealed record CallPlan
{
    public const int MaxChannels = 8;
    public const int MinRate = 8_000, MaxRate = 48_000;
    public static readonly TimeSpan MinWindow = TimeSpan.FromSeconds(0.5);

    /// <summary>Longest window that is asked for where no model limits it.</summary>
    private static readonly TimeSpan DefaultWindow = TimeSpan.FromSeconds(3);

    public required string SessionId { get; init; }

    /// <summary>Those of the audio, then the camera's where it has one of its own.</summary>
    public required IReadOnlyList<PlannedChannel> Channels { get; init; }

    public required AudioEncoding ProtoEncoding { get; init; }

    public required SampleEncoding Encoding { get; init; }

    /// <summary>In hertz; 0 without audio.</summary>
    public required int Rate { get; init; }

    public required TimeSpan WindowTime { get; init; }

    public required TimeSpan HopTime { get; init; }

    /// <summary>Null where no voice is judged.</summary>
    public required Model? Speech { get; init; }

    /// <summary>Null without video, or where it may not be judged.</summary>
    public required Model? Face { get; init; }

    /// <summary>SHA-256 of the configuration without what it resumes.</summary>
    public required ByteString Digest { get; init; }

    public int AudioChannels => Channels.Count(channel => channel.HasAudio);

    public bool HasVideo => Channels.Any(channel => channel.Video);

    /// <summary>Bytes of one sample of all audio channels.</summary>
    public int FrameBytes => AudioChannels * Encoding.Width();

    /// <summary>Samples of a window, and from one to the next, at 22,050 Hz.</summary>
    public int Window => Samples(WindowTime);

    /// <inheritdoc cref="Window"/>
    public int Hop => Samples(HopTime);

    /// <summary>Whose role lets emotion be looked for.</summary>
    public static bool MayJudge(SpeakerRole role, FusionOptions options) => role == SpeakerRole.Customer || options.AgentEmotion;

    /// <summary>Checks everything of a configuration; what is wrong goes to <paramref name="refusal"/>, and null comes back.</summary>
    /// <param name="config">As the client sent it.</param>
    /// <param name="options">The policy.</param>
    /// <param name="find">Finds a model by name, the default where that is empty; null where there is none.</param>
    /// <param name="refusal">Names fields as "config.audio.sample_rate".</param>
    public static async Task<CallPlan?> CreateAsync(
        StreamConfig config, FusionOptions options, Func<Modality, string, Task<Model?>> find, Refusal refusal)
    {
        var (audio, video) = (config.Audio, config.Video);
        if (audio is null && video is null)
            refusal.Add("config", "It names neither audio nor video; send at least one.");
        if (config.SessionId.Length > 128 || config.SessionId.Any(c => !char.IsAsciiLetterOrDigit(c) && !"-_.:@".Contains(c)))
            refusal.Add("config.session_id", "It must be 1 to 128 letters, digits and -_.:@.");
        if (audio is not null)
        {
            if (audio.Encoding == AudioEncoding.Unspecified || !System.Enum.IsDefined(audio.Encoding))
                refusal.Add("config.audio.encoding", "It must be L16, FLOAT32, MULAW or ALAW.");
            if (audio.SampleRate is < MinRate or > MaxRate)
                refusal.Add("config.audio.sample_rate", $"It must lie between {MinRate} and {MaxRate} Hz.");
            if (audio.Channels.Count is < 1 or > MaxChannels)
                refusal.Add("config.audio.channels", $"There must be 1 to {MaxChannels}.");
            for (var i = 0; i < audio.Channels.Count; i++)
                if (!System.Enum.IsDefined(audio.Channels[i].Role))
                    refusal.Add($"config.audio.channels[{i}].role", "It is none of the roles.");
        }
        if (video is not null && !System.Enum.IsDefined(video.Role))
            refusal.Add("config.video.role", "It is none of the roles.");
        var hop = Between("config.hop", config.Hop, ClipRules.MinHop, ClipRules.MaxHop, ClipRules.DefaultHop);

        var heard = audio is not null && audio.Channels.Any(channel => MayJudge(channel.Role, options));
        var speech = heard ? await FindAsync(Modality.Speech, config.SpeechModel, "config.speech_model") : null;
        var face = video is not null && MayJudge(video.Role, options) ? await FindAsync(Modality.Face, config.FaceModel, "config.face_model") : null;
        var longest = speech?.Input.Window?.ToTimeSpan() ?? DefaultWindow;
        var window = Between("config.window", config.Window, MinWindow, longest, longest);
        if (refusal.Any)
            return null;

        var channels = (audio?.Channels ?? []).Select(channel => new PlannedChannel(
            channel.Role, HasAudio: true, Emotion: MayJudge(channel.Role, options), Video: false)).ToList();
        if (video is not null)
        {
            var shown = channels.FindIndex(channel => channel.Role == video.Role);
            if (shown >= 0)
                channels[shown] = channels[shown] with { Video = true };
            else
                channels.Add(new(video.Role, HasAudio: false, Emotion: MayJudge(video.Role, options), Video: true));
        }
        var digested = config.Clone();
        digested.Resume = ByteString.Empty;
        return new CallPlan
        {
            SessionId = config.SessionId.Length > 0 ? config.SessionId : Guid.CreateVersion7().ToString("N"),
            Channels = channels,
            ProtoEncoding = audio?.Encoding ?? default,
            Encoding = audio?.Encoding switch
            {
                AudioEncoding.L16 => SampleEncoding.Signed16,
                AudioEncoding.Float32 => SampleEncoding.Ieee32,
                AudioEncoding.Alaw => SampleEncoding.ALaw,
                _ => SampleEncoding.MuLaw,
            },
            Rate = audio?.SampleRate ?? 0,
            WindowTime = window,
            HopTime = hop,
            Speech = speech,
            Face = face,
            Digest = ByteString.CopyFrom(SHA256.HashData(digested.ToByteArray())),
        };

        async Task<Model?> FindAsync(Modality modality, string name, string field)
        {
            var model = await find(modality, name);
            if (model is null)
                refusal.Add(field, $"No {modality.ToString().ToLowerInvariant()} model is called '{name}'; ListModels names those there are.");
            return model;
        }

        TimeSpan Between(string field, Duration? duration, TimeSpan min, TimeSpan max, TimeSpan absent)
        {
            if (duration is null)
                return absent;
            if (duration.TryToTimeSpan(min, max, out var time))
                return time;
            refusal.Add(field, $"It must lie between {min.TotalSeconds} s and {max.TotalSeconds} s.");
            return absent;
        }
    }

    /// <summary>How the call is going to be treated.</summary>
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

    /// <summary>When a sample of 22,050 Hz sounds.</summary>
    public static TimeSpan Time(long sample) => TimeSpan.FromSeconds((double)sample / FeatureExtractor.SampleRate);

    private static int Samples(TimeSpan time) => (int)Math.Round(time.TotalSeconds * FeatureExtractor.SampleRate);
}
