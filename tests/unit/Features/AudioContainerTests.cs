using System.Text;
using Affect.Features.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Features;

public sealed class AudioContainerTests
{
    [Theory]
    [InlineData("fLaC....", "FLAC")]
    [InlineData("OggS....", "Ogg")]
    [InlineData("\u001AEß£...", "WebM")]
    [InlineData("....ftypM4A ", "MP4")]
    [InlineData("FORM....AIFF", "AIFF")]
    [InlineData("FORM....AIFC", "AIFF")]
    public void Identify_FirstBytes_GiveTheContainer(string start, string name) =>
        Assert.Equal(name, Identify(Encoding.Latin1.GetBytes(start))?.Name);

    [Fact]
    public void Identify_Mp3WithoutTags_NeedsTwoFrames()
    {
        // MPEG 1, layer III, 128 kbit/s, 44,100 Hz: a frame has 417 bytes.
        var file = new byte[1000];
        byte[] header = [0xFF, 0xFB, 0x90, 0x00];
        header.CopyTo(file, 0);
        Assert.Null(Identify(file));
        header.CopyTo(file, 417);
        Assert.Equal("MP3", Identify(file)?.Name);
    }

    [Fact]
    public void Identify_OtherFiles_AreNull()
    {
        Assert.Null(Identify([]));
        Assert.Null(Identify("#EXTM3U\nhttp://127.0.0.1/a.ts"u8));
        Assert.Null(Identify("ffconcat version 1.0\nfile /etc/passwd"u8));
        Assert.Null(Identify(TestMedia.Png(32, 32)));
        Assert.Null(Identify([0xFF, 0xD8, 0xFF, 0xE0, 0, 16]));
        Assert.Null(Identify("plain text"u8));
        for (var length = 0; length < 8; length++)
            Assert.Null(Identify("....ftyp"u8[..length]));
    }

    [Fact]
    public void Identify_Noise_IsNull()
    {
        var random = new Random(1);
        var bytes = new byte[4096];
        for (var i = 0; i < 1000; i++)
        {
            random.NextBytes(bytes);
            Assert.Null(Identify(bytes));
        }
    }

    private static AudioContainer? Identify(ReadOnlySpan<byte> file) => AudioContainer.Identify(file, out _);
}
