using Affect.Fuzz.Mutation;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Sequences of messages of AnalyzeStream over gRPC: order, values and wire format.</summary>
internal static class StreamTarget
{
    public static Case Create(Random random)
    {
        var call = Sequence.Mutate(random, random.Pick(Seeds.Calls), request => Message.Mutate(random, request));
        return Send(call.Select(request => random.Chance(0.05) ? Wire.Mutate(random, request.ToByteArray()) : request.ToByteArray()));
    }

    public static Case Send(IEnumerable<byte[]> messages) =>
        Http2.Call("/affect.v1.EmotionService/AnalyzeStream", [.. messages.SelectMany(Http2.Message)]);
}
