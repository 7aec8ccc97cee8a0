using System.Globalization;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Affect.UnitTests.Hosting;

public sealed class RpcErrorsTests
{
    public static TheoryData<string> Texts { get; } = ["a", "é", "\u4E2D", "\U0001F600", "x\U0001F600", "\uD83D", "%"];

    [Theory]
    [MemberData(nameof(Texts))]
    public void InvalidArgument_LongTexts_FitsIntoHeaders(string text)
    {
        var longText = string.Concat(Enumerable.Repeat(text, 20_000));

        var error = RpcErrors.InvalidArgument(Enumerable.Range(0, 3000).Select(i => ($"{i}{longText}", longText)));

        var violations = error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations;
        Assert.InRange(violations.Count, 1, RpcErrors.MaxViolations);
        Assert.StartsWith($"0{text[0]}", violations[0].Field.Replace('\uFFFD', text[0]), StringComparison.Ordinal);
        Assert.All(violations, violation =>
        {
            Assert.InRange(violation.Field.Length, 1, RpcErrors.MaxFieldLength);
            Assert.InRange(violation.Description.Length, 1, RpcErrors.MaxDescriptionLength);
            Assert.True(IsWellFormed(violation.Field) && IsWellFormed(violation.Description));
        });
        Assert.InRange(HeaderBytes(error), 1, 7 * 1024);
    }

    [Fact]
    public void InvalidArgument_ManyShortViolations_KeepsTwenty()
    {
        var error = RpcErrors.InvalidArgument(Enumerable.Range(0, 3000).Select(i => ($"config.audio.channels[{i}].role", "must be CUSTOMER, AGENT or UNKNOWN")));

        Assert.Equal(
            Enumerable.Range(0, RpcErrors.MaxViolations).Select(i => string.Create(CultureInfo.InvariantCulture, $"config.audio.channels[{i}].role")),
            error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Select(violation => violation.Field));
    }

    [Theory]
    [MemberData(nameof(Texts))]
    public void NotFound_LongName_FitsIntoHeaders(string text) =>
        Assert.InRange(HeaderBytes(RpcErrors.NotFound("model", string.Concat(Enumerable.Repeat(text, 20_000)))), 1, 7 * 1024);

    [Fact]
    public void Check_LongNamesAndLists_NamesEachField()
    {
        var name = new string('a', RequestLimits.MaxNameLength + 1);
        var config = new StreamConfig
        {
            SessionId = name,
            SpeechModel = name,
            FaceModel = name,
            Audio = new() { Channels = { Enumerable.Repeat(new AudioChannel(), 9) } },
        };
        var clip = new Clip { SpeechModel = name, FaceModel = name, Images = { Enumerable.Repeat(ByteString.Empty, 17) } };

        Assert.Equal(
            ["config.speech_model", "config.face_model", "config.session_id", "config.audio.channels"],
            RequestLimits.Check(config).Select(violation => violation.Field));
        Assert.Equal(["clip.speech_model", "clip.face_model", "clip.images"], RequestLimits.Check(clip).Select(violation => violation.Field));
        Assert.Empty(RequestLimits.Check(new StreamConfig { SessionId = name[1..], SpeechModel = name[1..], FaceModel = name[1..] }));
    }

    /// <summary>Size of grpc-message and grpc-status-details-bin.</summary>
    private static int HeaderBytes(RpcException error) =>
        Uri.EscapeDataString(error.Status.Detail).Length + Convert.ToBase64String(error.GetRpcStatus()!.ToByteArray()).Length;

    private static bool IsWellFormed(string text)
    {
        for (var i = 0; i < text.Length; i++)
            if (char.IsSurrogate(text[i]) && !(i + 1 < text.Length && char.IsSurrogatePair(text[i], text[++i])))
                return false;
        return true;
    }
}
