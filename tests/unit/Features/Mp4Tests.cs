using System.Buffers.Binary;
using System.Text;
using Affect.Features.Audio;

namespace Affect.UnitTests.Features;

public sealed class Mp4Tests
{
    private static readonly byte[] Samples = Encoding.ASCII.GetBytes("the samples");

    [Fact]
    public void IndexFirst_IndexAfterTheData_IsMovedWithAdjustedOffsets()
    {
        var file = File(indexFirst: false);
        var moved = IndexFirst(file);

        Assert.Equal(file.Length, moved.Length);
        Assert.True(moved.AsSpan().IndexOf("moov"u8) < moved.AsSpan().IndexOf("mdat"u8));
        Assert.Equal("tail", Encoding.ASCII.GetString(moved[^4..]));
        foreach (var offset in Offsets(moved))
            Assert.Equal(Samples, moved.AsSpan(offset, Samples.Length).ToArray());
    }

    [Fact]
    public void IndexFirst_IndexBeforeTheData_ReturnsTheFile()
    {
        var file = File(indexFirst: true);
        Assert.Equal(file, IndexFirst(file));
    }

    [Fact]
    public void IndexFirst_BrokenFile_KeepsItsLength()
    {
        var random = new Random(1);
        var whole = File(indexFirst: false);
        for (var i = 0; i < 50_000; i++)
        {
            var file = whole.AsSpan(0, random.Next(whole.Length + 1)).ToArray();
            for (var change = random.Next(4); change > 0 && file.Length > 0; change--)
                file[random.Next(file.Length)] = random.Next(3) switch { 0 => (byte)0, 1 => (byte)0xFF, _ => (byte)random.Next(256) };
            Assert.Equal(file.Length, IndexFirst(file).Length);
        }
    }

    [Fact]
    public void IndexFirst_DeeplyNestedBoxes_AreNotFollowed()
    {
        var boxes = new byte[1 << 20];
        for (var at = 0; at + 8 <= boxes.Length; at += 8)
        {
            BinaryPrimitives.WriteInt32BigEndian(boxes.AsSpan(at), boxes.Length - at);
            "trak"u8.CopyTo(boxes.AsSpan(at + 4));
        }
        byte[] file = [.. Box("mdat", Samples), .. Box("moov", boxes)];
        Assert.Equal(file.Length, IndexFirst(file).Length);
    }

    private static byte[] IndexFirst(byte[] file) => [.. Mp4.IndexFirst(file).SelectMany(part => part.ToArray())];

    /// <summary>ftyp, then data and index, whose tables refer to the samples; then a last box.</summary>
    private static byte[] File(bool indexFirst)
    {
        var start = Box("ftyp", "M4A "u8.ToArray());
        var data = Box("mdat", Samples);
        var samples = start.Length + 8 + (indexFirst ? Index(0).Length : 0);
        var index = Index(samples);
        var tail = Box("free", "tail"u8.ToArray());
        return indexFirst ? [.. start, .. index, .. data, .. tail] : [.. start, .. data, .. index, .. tail];
    }

    private static byte[] Index(int samples)
    {
        var offsets = new byte[12];
        BinaryPrimitives.WriteInt32BigEndian(offsets.AsSpan(4), 1);
        BinaryPrimitives.WriteInt32BigEndian(offsets.AsSpan(8), samples);
        var longOffsets = new byte[16];
        BinaryPrimitives.WriteInt32BigEndian(longOffsets.AsSpan(4), 1);
        BinaryPrimitives.WriteInt64BigEndian(longOffsets.AsSpan(8), samples);
        return Box("moov", [.. Box("mvhd", new byte[20]), .. Track(Box("stco", offsets)), .. Track(Box("co64", longOffsets))]);
    }

    private static byte[] Track(byte[] table) =>
        Box("trak", [.. Box("tkhd", new byte[8]), .. Box("mdia", Box("minf", Box("stbl", [.. Box("stsd", new byte[8]), .. table])))]);

    private static byte[] Box(string type, byte[] content)
    {
        var box = new byte[8 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.ASCII.GetBytes(type).CopyTo(box, 4);
        content.CopyTo(box, 8);
        return box;
    }

    private static int[] Offsets(byte[] file) =>
    [
        BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(file.AsSpan().IndexOf("stco"u8) + 12)),
        (int)BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(file.AsSpan().IndexOf("co64"u8) + 12)),
    ];
}
