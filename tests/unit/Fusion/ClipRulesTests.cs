using Affect.Fusion.Clips;
using Affect.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Affect.UnitTests.Fusion;

public sealed class ClipRulesTests
{
    private static readonly ByteString Bytes = ByteString.CopyFrom(1, 2, 3);

    [Fact]
    public void Check_ClipWithoutMedia_IsRejected()
    {
        Assert.Equal(["clip"], Fields(null));
        Assert.Equal(["clip"], Fields(new Clip()));
    }

    [Theory]
    [InlineData(0, 100_000_000)]
    [InlineData(1, 0)]
    [InlineData(10, 0)]
    public void Check_HopWithinBounds_IsAccepted(long seconds, int nanos) =>
        Assert.Empty(Fields(new Clip { Audio = Bytes, Hop = new Duration { Seconds = seconds, Nanos = nanos } }));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 99_999_999)]
    [InlineData(10, 1)]
    [InlineData(-1, 0)]
    [InlineData(1, -1)]
    [InlineData(1, int.MaxValue)]
    [InlineData(long.MaxValue, 0)]
    public void Check_HopOutOfBounds_IsRejectedAndReplacedByTheDefault(long seconds, int nanos)
    {
        var clip = new Clip { Audio = Bytes, Hop = new Duration { Seconds = seconds, Nanos = nanos } };

        Assert.Equal(["clip.hop"], Fields(clip));
        Assert.Equal(Duration.FromTimeSpan(TimeSpan.FromSeconds(1)), ClipRules.Hop(clip));
    }

    [Fact]
    public void Check_SeveralViolations_ReportsAll()
    {
        var clip = new Clip { Hop = new Duration { Seconds = 11 } };
        for (var i = 0; i < 17; i++)
            clip.Images.Add(i is 2 or 16 ? ByteString.Empty : Bytes);

        Assert.Equal(["clip.hop", "clip.images", "clip.images[2]"], Fields(clip));
    }

    [Fact]
    public void Check_InvalidChannels_AreNamed()
    {
        AudioChannel customer = new() { Role = SpeakerRole.Customer }, none = new() { Role = (SpeakerRole)9 };
        Assert.Empty(Fields(new Clip { Audio = Bytes, Channels = { Enumerable.Repeat(customer, 8) } }));
        Assert.Equal(["clip.channels"], Fields(new Clip { Audio = Bytes, Channels = { Enumerable.Repeat(customer, 9) } }));
        Assert.Equal(["clip.channels[1].role"], Fields(new Clip { Audio = Bytes, Channels = { customer, none } }));
        Assert.Equal(["clip.channels"], Fields(new Clip { Images = { Bytes }, Channels = { customer } }));
    }

    private static IEnumerable<string> Fields(Clip? clip)
    {
        var violations = new Violations();
        ClipRules.Check(clip, violations);
        Assert.Equal(violations.Ordered.Count > 0, violations.Any);
        return violations.Ordered.Select(violation => violation.Field);
    }
}
