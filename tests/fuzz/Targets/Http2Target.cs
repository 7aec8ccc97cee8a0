using Affect.Fuzz.Mutation;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Frames of HTTP/2 in hostile orders, and connections that end anywhere.</summary>
internal static class Http2Target
{
    public static Case Create(Random random)
    {
        var call = StreamTarget.Join(random.Pick(Seeds.Calls).Select(request => request.ToByteArray()));
        var frames = Http2.Request("/affect.v1.EmotionService/AnalyzeStream", call);
        // The last data in pieces, so that resets meet a call that runs.
        frames = [.. frames.SelectMany(frame => frame.Type == Http2Frame.Data
            ? frame.Payload.Chunk(4_000).Select(part => frame with { Payload = part, Flags = 0 }) : [frame])];
        var mutated = Sequence.Mutate(random, frames, frame => Mutate(random, frame));
        byte[] bytes = [.. Http2.Preface, .. mutated.SelectMany(frame => frame.Encode())];
        if (random.Chance(0.1))
            bytes = Bytes.Mutate(random, bytes);
        return new(Protocol.Http2, bytes, random.Chance(0.5) ? Ending.Reset : Ending.HalfClose);
    }

    private static Http2Frame Mutate(Random random, Http2Frame frame) => random.Next(10) switch
    {
        0 => new(Http2Frame.Reset, 0, 1, [0, 0, 0, (byte)random.Next(16)]),
        1 => new(Http2Frame.Ping, (byte)random.Next(2), 0, random.Bytes(random.Pick([8, 8, 7]))),
        2 => new(Http2Frame.GoAway, 0, 0, new byte[8]),
        3 => new(Http2Frame.WindowUpdate, 0, random.Next(3), random.Pick((byte[][])[[0, 0, 0, 0], [0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 1]])),
        4 => new(Http2Frame.Settings, (byte)random.Next(2), 0, [0, (byte)random.Next(8), .. random.Bytes(4)]),
        5 => new(Http2Frame.Continuation, Http2Frame.EndHeaders, 1, random.Bytes(20)),
        6 => new(Http2Frame.Priority, 0, 1, random.Bytes(5)),
        7 => frame with { Stream = random.Next(5) },
        8 => frame with { Flags = (byte)random.Next(256) },
        _ => frame with { Payload = Bytes.Mutate(random, frame.Payload) },
    };
}
