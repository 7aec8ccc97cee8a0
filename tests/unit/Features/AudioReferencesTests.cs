using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Affect.Audio;
using Affect.Features;
using Affect.Features.Audio;
using Affect.Testing;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Features;

/// <summary>Files that refer to other resources: they are rejected, and nothing is fetched.</summary>
public sealed class AudioReferencesTests
{
    /// <summary>Kinds of files, with {0} in place of the address of another file.</summary>
    private static Dictionary<string, string> Kinds { get; } = new()
    {
        ["HLS"] = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{0}\n#EXT-X-ENDLIST\n",
        ["HLS, key"] = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI=\"{0}\"\n#EXTINF:10,\n{0}\n",
        ["HLS, map"] = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MAP:URI=\"{0}\"\n#EXTINF:10,\n{0}\n",
        ["M3U"] = "{0}\n",
        ["concat"] = "ffconcat version 1.0\nfile '{0}'\n",
        ["SDP"] = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{0}\nm=audio 5004 RTP/AVP 0\n",
        ["SMIL"] = "<smil><body><audio src=\"{0}\"/></body></smil>",
        ["ASX"] = "<asx version=\"3.0\"><entry><ref href=\"{0}\"/></entry></asx>",
        ["ASX, version 1"] = "[Reference]\r\nRef1={0}\r\n",
        ["PLS"] = "[playlist]\nFile1={0}\nNumberOfEntries=1\nVersion=2\n",
        ["CUE"] = "FILE \"{0}\" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n",
        ["DASH"] = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT10S\"><Period>"
            + "<AdaptationSet mimeType=\"audio/mp4\"><Representation id=\"1\"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        ["Smooth Streaming"] = "<SmoothStreamingMedia><StreamIndex Type=\"audio\" Url=\"{0}\"/></SmoothStreamingMedia>",
        ["XSPF"] = "<?xml version=\"1.0\"?><playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\"><trackList><track><location>{0}</location></track></trackList></playlist>",
        ["WPL"] = "<?wpl version=\"1.0\"?><smil><body><seq><media src=\"{0}\"/></seq></body></smil>",
        ["RAM"] = "{0}?start=0\n--stop--\n",
        ["IMF"] = "<?xml version=\"1.0\"?><AssetMap xmlns=\"http://www.smpte-ra.org/schemas/429-9/2007/AM\"><AssetList><Asset><ChunkList><Chunk><Path>{0}</Path></Chunk></ChunkList></Asset></AssetList></AssetMap>",
        ["AviSynth"] = "AudioSource(\"{0}\")",
        ["QuickTime link"] = "<?xml version=\"1.0\"?><?quicktime type=\"application/x-quicktime-media-link\"?><embed src=\"{0}\"/>",
        ["MOV, external data"] = "",
        ["MOV, reference movie"] = "",
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Names => [.. Kinds.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task DecodeAsync_ReferenceToAnotherResource_IsRejectedAndFetchesNothing(string kind)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && AudioFile.HasFfmpeg, "mkfifo and ffmpeg are needed");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var connection = listener.AcceptTcpClientAsync(Cancellation).AsTask();
        var folder = Directory.CreateTempSubdirectory("affect-");
        var pipe = Path.Combine(folder.FullName, "speech.wav");
        using (var make = Process.Start("mkfifo", [pipe]))
            await make.WaitForExitAsync(Cancellation);
        // Opening a named pipe for writing waits until a process opens it for reading.
        var opened = Task.Factory.StartNew(
            () => File.OpenHandle(pipe, FileMode.Open, FileAccess.Write).Dispose(), Cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            foreach (var address in new[] { $"http://{listener.LocalEndpoint}/speech.wav", pipe })
            {
                var file = kind.StartsWith("MOV") ? Mov(kind, address) : Encoding.UTF8.GetBytes(string.Format(null, Kinds[kind], address));
                byte[][] prefixes = [[], [0xEF, 0xBB, 0xBF], "\r\n"u8.ToArray(), new byte[64], [.. "ID3"u8, 4, 0, 0, 0, 0, 0, 10, .. new byte[10]]];
                foreach (var prefix in prefixes)
                    await Assert.ThrowsAsync<AudioFormatException>(() => Decoder().DecodeAsync((byte[])[.. prefix, .. file], Cancellation));
            }

            Assert.False(connection.IsCompleted, $"{kind} was fetched");
            Assert.False(opened.IsCompleted, $"{kind} was read");
        }
        finally
        {
            using (File.OpenHandle(pipe, FileMode.Open, FileAccess.Read))
                await opened;
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A QuickTime file whose samples are elsewhere: an alias in its data reference, or a reference movie.</summary>
    private static byte[] Mov(string kind, string address)
    {
        byte[] url = [.. Encoding.UTF8.GetBytes(address), 0];
        if (kind == "MOV, reference movie")
        {
            var reference = Box("rdrf", [0, 0, 0, 0, .. "url "u8, 0, 0, 0, (byte)url.Length, .. url]);
            return [.. Box("ftyp", [.. "qt  "u8, 0, 0, 0, 0]), .. Box("moov", Box("rmra", Box("rmda", reference)))];
        }

        var file = AudioFile.RunFfmpeg("mov", "-i", TestMedia.FixturePath("golden/speech.wav"), "-c:a", "pcm_s16le", "-movflags", "+faststart");
        // The box 'url ' with flag 1 (the data is in this file) becomes one with an address, which takes the place of the box 'udta' behind it.
        var at = file.AsSpan().IndexOf("dref"u8) + 12;
        var entry = Box("url ", [0, 0, 0, 0, .. url]);
        byte[] changed = [.. file[..at], .. entry, .. file[(at + 12)..]];
        foreach (var box in new[] { "moov", "trak", "mdia", "minf", "dinf", "dref" })
        {
            var start = changed.AsSpan().IndexOf(Encoding.ASCII.GetBytes(box)) - 4;
            var length = BinaryPrimitives.ReadInt32BigEndian(changed.AsSpan(start));
            BinaryPrimitives.WriteInt32BigEndian(changed.AsSpan(start), length + entry.Length - 12);
        }

        return changed;
    }

    private static byte[] Box(string type, byte[] content)
    {
        var box = new byte[8 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(box, box.Length);
        Encoding.ASCII.GetBytes(type).CopyTo(box, 4);
        content.CopyTo(box, 8);
        return box;
    }

    private static AudioDecoder Decoder()
    {
        var options = Options.Create(new FeaturesOptions());
        return new AudioDecoder(new Ffmpeg(options, TimeProvider.System), options);
    }
}
