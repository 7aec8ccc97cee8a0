using Affect.Fuzz.Mutation;
using Affect.V1;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Audio files: mostly WAV; others need a process of ffmpeg each.</summary>
internal static class AudioTarget
{
    public static Case Create(Random random)
    {
        var seeds = random.Chance(0.9) ? Seeds.Wav : Seeds.Containers;
        return PictureTarget.Analyze(new() { Audio = ByteString.CopyFrom(Media.Mutate(random, random.Pick(seeds))) });
    }
}

/// <summary>Pictures: PNG, JPEG, WebP and BMP.</summary>
internal static class PictureTarget
{
    public static Case Create(Random random) =>
        Analyze(new() { Images = { ByteString.CopyFrom(Media.Mutate(random, random.Pick(Seeds.Pictures))) } });

    public static Case Analyze(Clip clip) =>
        Http2.Call("/affect.v1.EmotionService/Analyze", Http2.Message(new AnalyzeRequest { Clip = clip }.ToByteArray()));
}
