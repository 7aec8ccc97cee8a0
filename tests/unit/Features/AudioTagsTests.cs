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
    public void SkipId3_Tags_KeepsFrames()
    {
        byte[] tag = [.. "ID3"u8, 4, 0, 0, 0, 0, 1, 2, .. new byte[130]];
        byte[] tagWithFooter = [.. "ID3"u8, 4, 0, 0x10, 0, 0, 0, 3, 1, 2, 3, .. new byte[10]];
        Assert.Equal("frames"u8.ToArray(), Join(AudioTags.SkipId3((byte[])[.. tag, .. tagWithFooter, .. "frames"u8])));
    }

    [Fact]
    public void SkipId3_NothingAfterTheTag_IsReturned()
    {
        byte[] file = [.. "ID3"u8, 4, 0, 0, 0x7F, 0x7F, 0x7F, 0x7F, 1, 2, 3];
        Assert.Equal(file, Join(AudioTags.SkipId3(file)));
    }

    private static byte[] Join(IEnumerable<ReadOnlyMemory<byte>> parts) => [.. parts.SelectMany(part => part.ToArray())];
}
