using System.Text;
using Affect.Features.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Features;

public sealed class AudioContainerTests
{
    [Theory]
    [InlineData("fLaC....", "FLAC")]
    [InlineData("OggS....", "Ogg")]
    [InlineData("ID3.....", "MP3")]
    [InlineData("\u001AEß£...", "WebM")]
    [InlineData("....ftypM4A ", "MP4")]
    [InlineData("FORM....AIFF", "AIFF")]
    [InlineData("FORM....AIFC", "AIFF")]
    public void A_container_is_told_by_its_first_bytes(string start, string name) =>
        Assert.Equal(name, AudioContainer.Of(Encoding.Latin1.GetBytes(start))?.Name);

    [Fact]
    public void Two_frames_make_an_mp3()
    {
        // MPEG 1, layer III, 128 kbit/s, 44,100 Hz: a frame has 417 bytes.
        var file = new byte[1000];
        byte[] header = [0xFF, 0xFB, 0x90, 0x00];
        header.CopyTo(file, 0);
        Assert.Null(AudioContainer.Of(file));
        header.CopyTo(file, 417);
        Assert.Equal("MP3", AudioContainer.Of(file)?.Name);
    }

    [Fact]
    public void Nothing_else_reaches_ffmpeg()
    {
        Assert.Null(AudioContainer.Of([]));
        Assert.Null(AudioContainer.Of("#EXTM3U\nhttp://127.0.0.1/a.ts"u8));
        Assert.Null(AudioContainer.Of("ffconcat version 1.0\nfile /etc/passwd"u8));
        Assert.Null(AudioContainer.Of(TestMedia.Png(32, 32)));
        Assert.Null(AudioContainer.Of([0xFF, 0xD8, 0xFF, 0xE0, 0, 16]));
        Assert.Null(AudioContainer.Of("plain text"u8));
        for (var length = 0; length < 8; length++)
            Assert.Null(AudioContainer.Of("....ftyp"u8[..length]));
    }

    [Fact]
    public void Noise_is_no_container()
    {
        var random = new Random(1);
        var bytes = new byte[4096];
        for (var i = 0; i < 1000; i++)
        {
            random.NextBytes(bytes);
            Assert.Null(AudioContainer.Of(bytes));
        }
    }
}
