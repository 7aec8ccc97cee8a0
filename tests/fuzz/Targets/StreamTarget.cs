using Affect.Fuzz.Mutation;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Sequences of messages of AnalyzeStream over gRPC: order, values and wire format.</summary>
internal static class StreamTarget
{
    public static Case Create(Random random)
    {
        var call = Sequence.Mutate(random, random.Pick(Seeds.Calls), request => Message.Mutate(random, request));
        var messages = Join(call.Select(request => request.ToByteArray())
            .Select(message => random.Chance(0.05) ? Wire.Mutate(random, message) : message));
        return Send(random.Chance(0.1) ? Bytes.Mutate(random, messages) : messages);
    }

    public static byte[] Join(IEnumerable<byte[]> messages) => [.. messages.SelectMany(Http2.Message)];

    public static Case Send(byte[] messages) => Http2.Call("/affect.v1.EmotionService/AnalyzeStream", messages);
}
