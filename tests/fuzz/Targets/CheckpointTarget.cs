using System.Security.Cryptography;
using Affect.Fusion.V1;
using Affect.Fuzz.Mutation;
using Affect.V1;
using Google.Protobuf;
using AnalyzeStreamRequest = Affect.V1.AnalyzeStreamRequest;

namespace Affect.Fuzz.Targets;

/// <summary>Checkpoints in <c>config.resume</c>: the server's own, mutated ones, and forged ones with a valid signature.</summary>
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
            2 => Sign(Forge(random, state)),
            _ => random.Pick(checkpoints).State.ToByteArray(),
        });
        if (random.Chance(0.3))
            call[0] = Message.Mutate(random, call[0]);
        return StreamTarget.Send(StreamTarget.Join(call.Select(request => request.ToByteArray())));
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
        var state = checkpoint[HMACSHA256.HashSizeInBytes..];
        return random.Chance(0.2) ? Wire.Mutate(random, state) : Message.Mutate(random, CallState.Parser.ParseFrom(state)).ToByteArray();
    }

    /// <summary>A checkpoint as fusion makes it, so that the values of the state are checked too.</summary>
    private static byte[] Sign(byte[] state) => [.. HMACSHA256.HashData(FuzzedServer.CheckpointKey, state), .. state];
}
