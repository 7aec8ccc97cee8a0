using Affect.Features.Audio;

namespace Affect.UnitTests.Features;

public sealed class AudioTagsTests
{
    [Fact]
    public void SkipFlac_MetadataBlocks_KeepsStreamInfoAndFrames()
    {
        byte[] info = [.. Enumerable.Range(1, 34).Select(value => (byte)value)];
        byte[] file = [.. "fLaC"u8, 0, 0, 0, 34, .. info, 4, 0, 0, 3, 7, 7, 7, 0x86, 0, 1, 0, .. new byte[256], .. "frames"u8];
        Assert.Equal([.. "fLaC"u8, 0x80, 0, 0, 34, .. info, .. "frames"u8], Join(AudioTags.SkipFlac(file)));
    }

    [Fact]
    public void SkipFlac_BrokenFile_IsReturned()
    {
        byte[] file = [.. "fLaC"u8, 0, 0, 0, 34, .. new byte[34], 4, 0xFF, 0xFF, 0xFF, 1, 2, 3];
        for (var length = 0; length <= file.Length; length++)
            Assert.Equal(file[..length], Join(AudioTags.SkipFlac(file.AsMemory(0, length))));
    }

    [Fact]
    public void Skip_Id3_IsItsLength()
    {
        byte[] tag = [.. "ID3"u8, 4, 0, 0, 0, 0, 1, 2, .. new byte[130], .. "frames"u8];
        byte[] tagWithFooter = [.. "ID3"u8, 4, 0, 0x10, 0, 0, 0, 3, 1, 2, 3, .. new byte[10], .. "frames"u8];
        byte[] wrongLength = [.. "ID3"u8, 4, 0, 0, 0x7F, 0x7F, 0x7F, 0x7F, 1, 2, 3];
        Assert.Equal(140, AudioTags.Skip(tag));
        Assert.Equal(23, AudioTags.Skip(tagWithFooter));
        Assert.Equal(10, AudioTags.Skip(wrongLength));
    }

    [Fact]
    public void Skip_ApeTag_IsItsLength()
    {
        byte[] items = new byte[50];
        byte[] footer = [.. "APETAGEX"u8, 0xD0, 7, 0, 0, 82, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xA0, .. new byte[8]];
        Assert.Equal(114, AudioTags.Skip([.. footer, .. items, .. footer, .. "frames"u8])); // a header, as long as the footer
    }

    [Fact]
    public void Skip_MeaninglessBytes_AreTheirLength()
    {
        Assert.Equal(4096, AudioTags.Skip([.. new byte[4096], .. "frames"u8]));
        Assert.Equal(4, AudioTags.Skip("\r\n\r\nframes"u8));
        Assert.Equal(0, AudioTags.Skip("frames"u8));
        Assert.Equal(0, AudioTags.Skip(new byte[100]));
        Assert.Equal(0, AudioTags.Skip([]));
    }

    private static byte[] Join(IEnumerable<ReadOnlyMemory<byte>> parts) => [.. parts.SelectMany(part => part.ToArray())];
}
