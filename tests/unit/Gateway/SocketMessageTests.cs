using System.Text;
using Affect.Gateway.Calls;
using Affect.V1;
using Google.Rpc;
using Grpc.Core;

namespace Affect.UnitTests.Gateway;

public sealed class SocketMessageTests
{
    [Fact]
    public void ParseConfig_EitherSpelling_IsRead()
    {
        var config = SocketMessage.ParseConfig(Encoding.UTF8.GetBytes("""
            {
              "session_id": "c-17", "hop": "0.5s", "resume": "AQI=", "speechModel": "mfcc-attention", "window": null,
              "audio": {"encoding": "AUDIO_ENCODING_L16", "sampleRate": 16000, "channels": [{"role": "SPEAKER_ROLE_CUSTOMER"}, {}]},
              "video": {"role": 2}
            }
            """)).Config;

        Assert.Equal(("c-17", "mfcc-attention"), (config.SessionId, config.SpeechModel));
        Assert.Equal(TimeSpan.FromSeconds(0.5), config.Hop.ToTimeSpan());
        Assert.Null(config.Window);
        Assert.Equal([1, 2], config.Resume.ToByteArray());
        Assert.Equal((AudioEncoding.L16, 16000), (config.Audio.Encoding, config.Audio.SampleRate));
        Assert.Equal([SpeakerRole.Customer, SpeakerRole.Unspecified], config.Audio.Channels.Select(channel => channel.Role));
        Assert.Equal(SpeakerRole.Agent, config.Video.Role);
    }

    [Theory]
    [InlineData("{", "config")]
    [InlineData("3", "config")]
    [InlineData("""{"audio": [], "hop": 1, "nonsense": 1}""", "config.audio config.hop config.nonsense")]
    [InlineData("""{"audio": {"channels": {}}}""", "config.audio.channels")]
    [InlineData("""{"audio": {"channels": [{}, 1, {"role": "x"}]}}""", "config.audio.channels[1] config.audio.channels[2].role")]
    [InlineData("""{"session_id": {"a": 1}, "resume": "%"}""", "config.session_id config.resume")]
    public void ParseConfig_InvalidFields_NamesEach(string json, string fields) =>
        Assert.Equal(fields, Fields(() => SocketMessage.ParseConfig(Encoding.UTF8.GetBytes(json))));

    [Fact]
    public void ParseMedia_Frame_ReadsMicroseconds()
    {
        var frame = SocketMessage.ParseMedia([2, 0x40, 0x42, 0x0F, 0, 0, 0, 0, 0, 7]).Frame;

        Assert.Equal(TimeSpan.FromSeconds(1), frame.Time.ToTimeSpan());
        Assert.Equal([7], frame.Image.ToByteArray());
    }

    [Fact]
    public void ParseMedia_AudioAtMinusOne_HasNoPosition()
    {
        Assert.False(SocketMessage.ParseMedia([1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 7]).Audio.HasPosition);
        Assert.True(SocketMessage.ParseMedia([1, 0, 0, 0, 0, 0, 0, 0, 0, 7]).Audio is { HasPosition: true, Position: 0 });
    }

    [Theory]
    [InlineData(StatusCode.OK, 1000)]
    [InlineData(StatusCode.InvalidArgument, 1008)]
    [InlineData(StatusCode.FailedPrecondition, 1008)]
    [InlineData(StatusCode.ResourceExhausted, 1013)]
    [InlineData(StatusCode.Unavailable, 1013)]
    [InlineData(StatusCode.Internal, 1011)]
    public void CloseStatus_StatusCode_TellsClientFromServerErrors(StatusCode code, int expected) =>
        Assert.Equal(expected, (int)SocketMessage.CloseStatus(code));

    private static string Fields(Action read) => string.Join(
        ' ', Assert.Throws<RpcException>(read).GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Select(violation => violation.Field));
}
