using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.Fuzz;

/// <summary>Valid inputs that the targets mutate: the files in <c>seeds/</c>, and the messages made of them.</summary>
internal static class Seeds
{
    public static IReadOnlyList<byte[]> Wav { get; } = Files("audio", "*.wav");

    /// <summary>Audio in other containers, which ffmpeg decodes.</summary>
    public static IReadOnlyList<byte[]> Containers { get; } = Files("audio", "tone.*");

    public static IReadOnlyList<byte[]> Pictures { get; } = Files("pictures", "*");

    public static IReadOnlyList<Clip> Clips { get; } =
    [
        new() { Audio = Audio("mulaw.wav"), Hop = Seconds(0.5), SpeechModel = "tiny-speech" },
        new() { Images = { Picture("face.jpg"), Picture("palette.png") }, FaceModel = "tiny-face" },
        new() { Audio = Audio("float-stereo.wav"), Images = { Picture("lossy.webp") }, Hop = Seconds(1) },
    ];

    /// <summary>Calls of 1 s: one channel, two channels with video, and video alone.</summary>
    public static IReadOnlyList<AnalyzeStreamRequest[]> Calls { get; } =
    [
        [
            Config(new()
            {
                SessionId = "c-17",
                Audio = Stream(AudioEncoding.Mulaw, SpeakerRole.Customer),
                Window = Seconds(0.5),
                Hop = Seconds(0.2),
            }),
            .. Samples(2_000),
        ],
        [
            Config(new() { Audio = Stream(AudioEncoding.L16, SpeakerRole.Customer, SpeakerRole.Agent), Video = Customer }),
            .. Samples(4_000), Frame(0.2, "face.jpg"), Frame(0.1, "rgb.png"),
        ],
        [Config(new() { Video = Customer, Hop = Seconds(0.5) }), Frame(0.1, "face.jpg"), Frame(0.9, "progressive.jpg")],
    ];

    private static VideoStream Customer => new() { Role = SpeakerRole.Customer };

    private static IReadOnlyList<byte[]> Files(string folder, string pattern) =>
    [
        .. Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "seeds", folder), pattern)
            .Order(StringComparer.Ordinal).Select(File.ReadAllBytes),
    ];

    private static ByteString Audio(string file) => ByteString.CopyFrom(Files("audio", file)[0]);

    private static ByteString Picture(string file) => ByteString.CopyFrom(Files("pictures", file)[0]);

    private static Duration Seconds(double seconds) => Duration.FromTimeSpan(TimeSpan.FromSeconds(seconds));

    private static AnalyzeStreamRequest Config(StreamConfig config) => new() { Config = config };

    private static AudioStream Stream(AudioEncoding encoding, params SpeakerRole[] roles) =>
        new() { Encoding = encoding, SampleRate = 8_000, Channels = { roles.Select(role => new AudioChannel { Role = role }) } };

    /// <summary>The samples of mulaw.wav in chunks.</summary>
    private static IEnumerable<AnalyzeStreamRequest> Samples(int bytes) => Audio("mulaw.wav").ToByteArray()[^8_000..].Chunk(bytes)
        .Select((part, i) => new AnalyzeStreamRequest { Audio = new() { Position = i * bytes, Data = ByteString.CopyFrom(part) } });

    private static AnalyzeStreamRequest Frame(double seconds, string file) =>
        new() { Frame = new() { Time = Seconds(seconds), Image = Picture(file) } };
}
