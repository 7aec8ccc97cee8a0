using Affect.Fusion.V1;
using Affect.Fuzz.Mutation;
using Affect.V1;
using Google.Protobuf;
using AnalyzeStreamRequest = Affect.V1.AnalyzeStreamRequest;

namespace Affect.Fuzz.Targets;

/// <summary>Checkpoints in <c>config.resume</c>: the server's own, mutated, and forged ones.</summary>
/// <param name="checkpoints">An authentic checkpoint for each of <see cref="Seeds.Calls"/>.</param>
internal sealed class CheckpointTarget(IReadOnlyList<Checkpoint> checkpoints)
{
    public Case Create(Random random)
    {
        var seed = random.Next(checkpoints.Count);
        var call = Seeds.Calls[seed].Select(request => Shift(request, checkpoints[seed])).ToList();
        var state = checkpoints[seed].State.ToByteArray();
        call[0].Config.Resume = ByteString.CopyFrom(random.Next(4) switch
        {
            0 => Bytes.Mutate(random, state),
            1 => Wire.Mutate(random, state),
            2 => Forge(random, state),
            _ => random.Pick(checkpoints).State.ToByteArray(),
        });
        if (random.Chance(0.3))
            call[0] = Message.Mutate(random, call[0]);
        return StreamTarget.Send(call.Select(request => request.ToByteArray()));
    }

    /// <summary>The request as the continuation of the call after its checkpoint.</summary>
    private static AnalyzeStreamRequest Shift(AnalyzeStreamRequest request, Checkpoint checkpoint)
    {
        var shifted = request.Clone();
        if (shifted.Audio is not null)
            shifted.Audio.Position += checkpoint.AudioPosition;
        if (shifted.Frame is not null)
            shifted.Frame.Time += checkpoint.VideoTime;
        return shifted;
    }

    private static byte[] Forge(Random random, byte[] checkpoint)
    {
        try
        {
            return Message.Mutate(random, CallState.Parser.ParseFrom(checkpoint)).ToByteArray();
        }
        catch (InvalidProtocolBufferException)
        {
            return Message.Mutate(random, new CallState { Format = 2, Conversation = new(), Audio = new() }).ToByteArray();
        }
    }
}
