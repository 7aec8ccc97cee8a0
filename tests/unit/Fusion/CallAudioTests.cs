using Affect.Fusion;
using Affect.Fusion.Calls;
using Affect.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Affect.UnitTests.Fusion;

public sealed class CallAudioTests
{
    private const int Rate = 8000;

    [Fact]
    public async Task Split_ChunksWithoutPosition_Follow()
    {
        var audio = await CreateAsync();
        Append(audio, new() { Data = ByteString.CopyFrom(1, 2, 3) });
        Append(audio, new() { Data = ByteString.CopyFrom(4) });
        Append(audio, new() { Position = 2, Data = ByteString.CopyFrom(3, 4, 5, 6) });

        Assert.Equal([1, 2, 3, 4, 5, 6], Bytes(audio));
        Assert.Equal((2, 0, 0), (audio.Repeated, audio.Incomplete, audio.Missing));
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(3, 2 * Rate)]
    [InlineData(3, (2 * Rate) + 2)]
    [InlineData(4, 2 * 3600 * Rate)]
    public async Task Split_Gap_IsSilenceOfItsLength(int before, int gap)
    {
        var audio = await CreateAsync();
        Append(audio, new() { Data = ByteString.CopyFrom([.. Enumerable.Repeat((byte)9, before)]) });
        Append(audio, new() { Position = before + gap, Data = ByteString.CopyFrom(7, 7, 7, 7) });

        Assert.Equal(before + gap + 4, audio.Position);
        Assert.Equal(gap / 2, audio.Missing);
        byte[] expected = [.. Enumerable.Repeat((byte)9, before), .. new byte[gap], 7, 7, 7, 7];
        Assert.Equal(expected[..(expected.Length / 2 * 2)], Bytes(audio));

        // From within the silence, after the samples before it have been forgotten.
        var middle = (before + (gap / 2)) / 2;
        audio.Forget(middle);
        Assert.Equal(expected[(2 * middle)..(expected.Length / 2 * 2)], Bytes(audio, middle));
        Assert.Equal(audio.Received - middle, audio.Kept);
    }

    [Fact]
    public async Task Split_GapOfHours_TakesNoMemory()
    {
        var audio = await CreateAsync();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Append(audio, new() { Position = 4L * 3600 * 2 * Rate, Data = ByteString.CopyFrom(7, 7) });
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);

        var refusal = Assert.Throws<RpcException>(() => audio.Split(new() { Position = audio.Position + ((4L * 3600) + 1) * 2 * Rate }));
        Assert.Contains("(4 h) ahead", refusal.Status.Detail);
    }

    private static async Task<CallAudio> CreateAsync()
    {
        var config = new StreamConfig { Audio = new() { Encoding = AudioEncoding.L16, SampleRate = Rate, Channels = { new AudioChannel { Role = SpeakerRole.Agent } } } };
        var plan = await CallPlan.CreateAsync(config, new FusionOptions(), (_, _) => Task.FromResult<Model?>(null), new());
        return new CallAudio(plan!, CallStates.Create(plan!));
    }

    private static void Append(CallAudio audio, AudioChunk chunk)
    {
        foreach (var piece in audio.Split(chunk))
            audio.Append(piece);
    }

    private static byte[] Bytes(CallAudio audio, long sample = 0)
    {
        var bytes = new List<byte>();
        while (audio.Read(sample, 1000) is { IsEmpty: false } piece)
        {
            bytes.AddRange(piece.Bytes.ToArray());
            bytes.AddRange(new byte[2 * piece.Silence]);
            sample += piece.Silence + (piece.Bytes.Length / 2);
        }

        return [.. bytes];
    }
}
