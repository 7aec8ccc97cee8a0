using System.Diagnostics;
using Affect.Testing;
using Grpc.Core;

namespace Affect.FunctionalTests;

/// <summary>
/// <c>affect stream</c>, <c>load</c> and <c>batch</c> as processes. Calls go to the fake <see cref="BreakingGateway"/>, which records
/// every byte; recordings go to the real services.
/// </summary>
public sealed class StreamCliTests(AffectFixture fixture) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-cli-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(WavEncoding.Pcm16, V1.AudioEncoding.L16, 2)]
    [InlineData(WavEncoding.Ieee32, V1.AudioEncoding.Float32, 4)]
    [InlineData(WavEncoding.ALaw, V1.AudioEncoding.Alaw, 1)]
    [InlineData(WavEncoding.MuLaw, V1.AudioEncoding.Mulaw, 1)]
    public async Task Stream_File_IsSentUnchanged(WavEncoding encoding, V1.AudioEncoding streamed, int width)
    {
        await using var gateway = await BreakingGateway.StartAsync();
        var samples = TestMedia.Noise(0.5, 2 * 16_000);
        foreach (var extensible in (bool[])[false, true])
        {
            var wav = new WavFile
            {
                Samples = samples,
                SampleRate = 16_000,
                Channels = 2,
                Encoding = encoding,
                Extensible = extensible,
                ExtraChunk = [1, 2, 3],
            }.ToBytes();
            var run = await RunAsync(null, gateway.Address, "stream", Put("call.wav", wav));

            Assert.Equal((0, ""), (run.ExitCode, run.Error));
            var attempt = gateway.Attempts[^1];
            Assert.Equal((streamed, 16_000), (attempt.Config.Audio.Encoding, attempt.Config.Audio.SampleRate));
            Assert.Equal([V1.SpeakerRole.Customer, V1.SpeakerRole.Agent], attempt.Config.Audio.Channels.Select(channel => channel.Role));
            Assert.Equal(wav[^(samples.Length * width)..], attempt.Chunks.SelectMany(chunk => chunk.Data));
        }
    }

    /// <summary>Recorders write the bits of linear samples, or none.</summary>
    [Theory]
    [InlineData(WavEncoding.MuLaw, 0)]
    [InlineData(WavEncoding.MuLaw, 13)]
    [InlineData(WavEncoding.ALaw, 16)]
    public async Task Stream_G711WithOtherBitsInTheHeader_IsSentUnchanged(WavEncoding encoding, byte bits)
    {
        await using var gateway = await BreakingGateway.StartAsync();
        var wav = WavFile.Mono(TestMedia.Noise(0.5, 8_000), 8_000, encoding);
        wav[34] = bits;
        var run = await RunAsync(null, gateway.Address, "stream", Put("call.wav", wav));

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var attempt = Assert.Single(gateway.Attempts);
        Assert.Equal(encoding == WavEncoding.MuLaw ? V1.AudioEncoding.Mulaw : V1.AudioEncoding.Alaw, attempt.Config.Audio.Encoding);
        Assert.Equal(wav[44..], attempt.Chunks.SelectMany(chunk => chunk.Data));
    }

    [Fact]
    public async Task Stream_RawBytes_UseFormatOptions()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        var audio = new byte[3 * BreakingGateway.Hop];
        Random.Shared.NextBytes(audio);
        var run = await RunAsync(
            audio, gateway.Address, "stream", "-", "--encoding", "mulaw", "--rate", "8000", "--channels", "unknown", "--hop", "0.5", "--realtime");

        Assert.Equal(0, run.ExitCode);
        var attempt = Assert.Single(gateway.Attempts);
        Assert.Equal((V1.AudioEncoding.Mulaw, 8000), (attempt.Config.Audio.Encoding, attempt.Config.Audio.SampleRate));
        Assert.Equal(V1.SpeakerRole.Unknown, Assert.Single(attempt.Config.Audio.Channels).Role);
        Assert.Equal(0.5, attempt.Config.Hop.ToTimeSpan().TotalSeconds);
        Assert.Equal(audio, attempt.Chunks.SelectMany(chunk => chunk.Data));
    }

    [Fact]
    public async Task Stream_Call_PrintsLines()
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt => attempt == 0 ? new(9) : BreakingGateway.Break.Never);
        var text = await RunAsync(null, gateway.Address, "stream", Call());
        Assert.Equal(0, text.ExitCode);
        Assert.Contains("0:00.0 to 0:00.1  customer    happy 100 %", text.Output);
        Assert.Contains("0:00.1 to 0:00.2  customer    no speech", text.Output);
        Assert.Contains("customer    voice", text.Output);
        Assert.Contains("happy-customer raised", text.Output);
        Assert.Contains("Call  0:00.6", text.Output);
        Assert.DoesNotContain('\e', text.Output);

        var json = CommandLine.Lines((await RunAsync(null, gateway.Address, "stream", "--json", Call())).Output);
        Assert.True(json[0].TryGetProperty("started", out _));
        Assert.True(json[^1].TryGetProperty("summary", out _));
        // 64-bit numbers are strings in the JSON of protos.
        Assert.Equal(
            ["0", "1", "2", "3", "4", "5"],
            json.Where(line => line.TryGetProperty("window", out _)).Select(line => line.GetProperty("window").GetProperty("index").GetString()));
    }

    [Fact]
    public async Task Stream_UnsupportedFile_IsReported()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        var wide = await RunAsync(null, gateway.Address, "stream", Put("wide.wav", WavFile.Mono(TestMedia.Silence(1), encoding: WavEncoding.Pcm24)));
        Assert.Equal((1, ""), (wide.ExitCode, wide.Output));
        Assert.StartsWith($"affect: {_folder}/wide.wav: 24-bit PCM is not supported; must be 16-bit PCM", wide.Error);

        var text = await RunAsync(null, gateway.Address, "stream", Put("text.wav", "this is not audio"u8.ToArray()));
        Assert.Equal(1, text.ExitCode);
        Assert.Contains("Not a WAV file", text.Error);

        foreach (var (content, options) in ((byte[], string[])[])[
            ([], []), ([], ["--encoding", "mulaw", "--rate", "8000"]), (WavFile.Mono([]), []), (WavFile.Mono(TestMedia.Silence(1))[..45], [])])
        {
            var empty = await RunAsync(null, gateway.Address, ["stream", Put("empty.wav", content), .. options]);
            Assert.Equal((1, ""), (empty.ExitCode, empty.Output));
            Assert.StartsWith($"affect: {_folder}/empty.wav: The file is empty", empty.Error);
        }
        var none = await RunAsync([], gateway.Address, "stream", "-");
        Assert.Equal((1, "affect: -: The file is empty\n"), (none.ExitCode, none.Error));
        var note = await RunAsync(null, gateway.Address, "stream", Put("note.wav", "hi"u8.ToArray()));
        Assert.Contains("Not a WAV file; convert it, as in: ffmpeg", note.Error);

        var cut = await RunAsync(null, gateway.Address, "stream", Put("cut.wav", WavFile.Mono(TestMedia.Silence(1))[..30]));
        Assert.Equal($"affect: {_folder}/cut.wav: The WAV header is truncated\n", cut.Error);

        var three = await RunAsync(null, gateway.Address, "stream", Put("three.wav", new WavFile { Samples = TestMedia.Silence(1), Channels = 3 }.ToBytes()));
        Assert.Contains("--channels", three.Error);

        Assert.Equal(1, (await RunAsync(null, gateway.Address, "stream", Path.Combine(_folder, "none.wav"))).ExitCode);
        Assert.Empty(gateway.Attempts);
    }

    [Fact]
    public async Task Stream_Interrupted_EndsCallWithSummary()
    {
        CommandLine.SkipWhereInterruptsAreIgnored();
        await using var gateway = await BreakingGateway.StartAsync();
        using var process = Start(gateway.Address, "stream", "--json", "-");
        // Standard input stays open: the call is still running.
        await process.StandardInput.BaseStream.WriteAsync(File.ReadAllBytes(Call()), Cancellation);
        await process.StandardInput.BaseStream.FlushAsync(Cancellation);
        await gateway.Entered;
        await CommandLine.InterruptAsync(process);
        var output = await process.StandardOutput.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);

        Assert.Equal(130, process.ExitCode);
        Assert.True(CommandLine.Lines(output)[^1].TryGetProperty("summary", out _));
    }

    [Fact]
    public async Task Load_Calls_AreMeasured()
    {
        await using var gateway = await BreakingGateway.StartAsync();
        var run = await RunAsync(
            null, gateway.Address, "load", Call(), "--calls", "2", "--seconds", "1", "--hop", "0.1", "--json", "--server-pid", $"{Environment.ProcessId}");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var report = Assert.Single(CommandLine.Lines(run.Output));
        Assert.Equal(20, report.GetProperty("expected").GetInt64());
        Assert.Equal(20, report.GetProperty("received").GetInt64());
        Assert.Equal(0, report.GetProperty("lost").GetInt64());
        Assert.Equal(10, report.GetProperty("scored").GetProperty("windows").GetInt64());
        Assert.Equal(10, report.GetProperty("no_speech").GetProperty("windows").GetInt64());
        Assert.Equal(Environment.ProcessId, report.GetProperty("servers")[0].GetProperty("pid").GetInt32());
        // Looped; each call starts at a different offset.
        Assert.All(gateway.Attempts, attempt => Assert.Equal(10 * BreakingGateway.Hop, attempt.Chunks.Sum(chunk => chunk.Data.Length)));
        Assert.NotEqual(gateway.Attempts[0].Chunks.First().Data, gateway.Attempts[1].Chunks.First().Data);
    }

    [Fact]
    public async Task Load_LostWindows_AreCounted()
    {
        await using var gateway = await BreakingGateway.StartAsync(attempt =>
            attempt == 0 ? new(8, () => Hosting.RpcErrors.Status(Grpc.Core.StatusCode.Internal, "a bug")) : BreakingGateway.Break.Never);
        var run = await RunAsync(null, gateway.Address, "load", Call(), "--calls", "1", "--seconds", "1", "--hop", "0.1", "--json");

        Assert.Equal(1, run.ExitCode);
        var report = Assert.Single(CommandLine.Lines(run.Output));
        Assert.Equal(2, report.GetProperty("received").GetInt64());
        Assert.Equal(8, report.GetProperty("lost").GetInt64());
        Assert.Equal(1, report.GetProperty("errors").GetProperty("Internal: a bug").GetInt32());
    }

    [Fact]
    public async Task Batch_Interrupted_ContinuesWhereItStopped()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "calls/monday"));
        Put("calls/b.wav", TestMedia.Speech());
        Put("calls/monday/a.wav", WavFile.Mono(TestMedia.Silence(1)));
        Put("calls/text.mp3", "this is not audio"u8.ToArray());
        Put("calls/notes.txt", "no audio"u8.ToArray());
        // One result is complete, the next was being written.
        var results = Put("results.jsonl", "{ \"file\": \"monday/a.wav\", \"analysis\": {} }\n{ \"file\": \"b.wav\", \"anal"u8.ToArray());

        var run = await RunAsync(null, fixture.Host.Gateway.GrpcAddress, "batch", Path.Combine(_folder, "calls"), "--out", results);
        Assert.Equal(65, run.ExitCode);
        Assert.Equal("4 files: 2 analyzed, 2 left out, 0 failed; 1 of them by earlier runs\n", run.Output);
        Assert.Equal(["notes.txt", "text.mp3"], LeftOut(run));
        var lines = CommandLine.Lines(File.ReadAllText(results)).ToDictionary(line => line.GetProperty("file").GetString()!);
        Assert.Equal(["b.wav", "monday/a.wav", "notes.txt", "text.mp3"], lines.Keys.Order(StringComparer.Ordinal));
        Assert.NotEqual(0, lines["b.wav"].GetProperty("analysis").GetProperty("speech").GetProperty("windows").GetArrayLength());
        Assert.NotEqual("", lines["text.mp3"].GetProperty("error").GetString());

        var written = File.ReadAllText(results);
        var again = await RunAsync(null, fixture.Host.Gateway.GrpcAddress, "batch", Path.Combine(_folder, "calls"), "--out", results);
        Assert.Equal((65, "4 files: 2 analyzed, 2 left out, 0 failed; 4 of them by earlier runs\n"), (again.ExitCode, again.Output));
        Assert.Equal(run.Error, again.Error);
        Assert.Equal(written, File.ReadAllText(results));
    }

    [Fact]
    public async Task Batch_MixedFolder_DecidesByContentAndNamesEachFile()
    {
        var calls = Path.Combine(_folder, "calls");
        Directory.CreateDirectory(Path.Combine(calls, "sub"));
        Put("calls/voice.txt", TestMedia.Speech());
        Put("calls/sub/voice", TestMedia.Speech());
        await FfmpegAsync("-i", Put("voice.wav", TestMedia.Speech()), "-f", "mp3", Path.Combine(calls, "voice.jpg"));
        await FfmpegAsync("-i", Path.Combine(_folder, "voice.wav"), "-f", "flac", Path.Combine(calls, ".hidden"));
        Put("calls/empty.wav", []);
        Put("calls/picture.wav", TestMedia.Png(64, 64));
        Put("calls/photo.m4a", "\0\0\0\u0018ftypmif1\0\0\0\0mif1heic"u8.ToArray());
        Put("calls/list.m3u8", "#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1/a.ts\n"u8.ToArray());
        Put("calls/broken.wav", TestMedia.Speech()[..30]);
        File.WriteAllBytes(Path.Combine(calls, "large.wav"), []);
        using (var large = File.OpenWrite(Path.Combine(calls, "large.wav")))
            large.SetLength(40L << 30); // sparse
        Directory.CreateSymbolicLink(Path.Combine(calls, "sub/loop"), calls);
        File.CreateSymbolicLink(Path.Combine(calls, "link"), Path.Combine(calls, "sub/voice"));
        File.CreateSymbolicLink(Path.Combine(calls, "none.wav"), Path.Combine(calls, "nothing"));
        using (var mkfifo = Process.Start("mkfifo", [Path.Combine(calls, "pipe.wav")]))
            await mkfifo.WaitForExitAsync(Cancellation);

        // The results are in the folder, and are not one of its files.
        var results = Path.Combine(calls, "all.jsonl");
        var run = await RunAsync(null, fixture.Host.Gateway.GrpcAddress, "batch", calls, "--out", results);

        Assert.Equal((1, "14 files: 5 analyzed, 8 left out, 1 failed\n"), (run.ExitCode, run.Output));
        Assert.Equal(["broken.wav", "empty.wav", "large.wav", "list.m3u8", "photo.m4a", "picture.wav", "pipe.wav", "sub/loop"], LeftOut(run));
        Assert.Contains("affect: none.wav: failed: No such file or directory\n", run.Error);
        Assert.Contains("affect: empty.wav: left out: must not be empty\n", run.Error);
        Assert.Contains("affect: picture.wav: left out: must be audio; it is a picture\n", run.Error);
        Assert.Contains("affect: photo.m4a: left out: must be audio; it is a picture\n", run.Error);
        Assert.Contains("affect: large.wav: left out: must be at most 32 MiB; it has 40960 MiB\n", run.Error);
        Assert.Contains("affect: list.m3u8: left out: must be audio in a supported container", run.Error);
        var lines = CommandLine.Lines(File.ReadAllText(results)).ToDictionary(line => line.GetProperty("file").GetString()!);
        Assert.Equal(13, lines.Count);
        foreach (var file in (string[])["voice.txt", "sub/voice", "voice.jpg", ".hidden", "link"])
            Assert.NotEqual(0, lines[file].GetProperty("analysis").GetProperty("speech").GetProperty("windows").GetArrayLength());

        File.Delete(Path.Combine(calls, "none.wav"));
        Assert.Equal(65, (await RunAsync(null, fixture.Host.Gateway.GrpcAddress, "batch", calls, "--out", results)).ExitCode);
    }

    [Fact]
    public async Task Batch_RateIsLimited_WaitsAndAnalyzesEveryFile()
    {
        // More rejections than a client repeats by itself.
        await using var gateway = await FlakyGateway.StartAsync(
            failures: 20, () => Hosting.RpcErrors.ResourceExhausted("too many requests", TimeSpan.FromMilliseconds(1)));
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        Put("calls/b.wav", TestMedia.Speech());
        var run = await RunAsync(null, gateway.Address, "batch", Path.Combine(_folder, "calls"), "--out", Path.Combine(_folder, "all.jsonl"));
        Assert.Equal((0, "2 files: 2 analyzed, 0 left out, 0 failed\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task Batch_AnswerIsUnavailable_IsRetried()
    {
        await using var gateway = await FlakyGateway.StartAsync(failures: 2, () => new(new(StatusCode.Unavailable, "restarting")));
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        var run = await RunAsync(null, gateway.Address, "batch", Path.Combine(_folder, "calls"), "--out", Path.Combine(_folder, "all.jsonl"));
        Assert.Equal((0, "1 file: 1 analyzed, 0 left out, 0 failed\n"), (run.ExitCode, run.Output));
        Assert.Equal(3, gateway.Calls);
    }

    /// <summary>The run ends instead of failing every file, and the next one continues.</summary>
    [Fact]
    public async Task Batch_AnswerStaysUnavailable_EndsUntilTheNextRun()
    {
        const int attempts = 4; // of the SDK
        await using var gateway = await FlakyGateway.StartAsync(failures: attempts, () => new(new(StatusCode.Unavailable, "restarting")));
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        Put("calls/b.wav", TestMedia.Speech());
        string[] batch = ["batch", Path.Combine(_folder, "calls"), "--out", Path.Combine(_folder, "all.jsonl"), "--concurrency", "1"];
        var run = await RunAsync(null, gateway.Address, batch);
        Assert.Equal((69, "2 files: 0 analyzed, 0 left out, 0 failed, 2 not reached\n"), (run.ExitCode, run.Output));
        Assert.Equal(attempts, gateway.Calls);

        run = await RunAsync(null, gateway.Address, batch);
        Assert.Equal((0, "2 files: 2 analyzed, 0 left out, 0 failed\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task Batch_ServerUnavailable_CountsFilesThatAreNotReached()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        var run = await RunAsync(
            null, "http://127.0.0.1:9", "batch", Path.Combine(_folder, "calls"), "--out", Path.Combine(_folder, "all.jsonl"));
        Assert.Equal((69, "1 file: 0 analyzed, 0 left out, 0 failed, 1 not reached\n"), (run.ExitCode, run.Output));
        Assert.Equal("affect: http://127.0.0.1:9: the server cannot be reached\n", run.Error);
    }

    [Theory]
    [InlineData("analyze")]
    [InlineData("stream")]
    [InlineData("batch", "--out", "results.jsonl")]
    public async Task HttpPort_AnyCommand_TellsThatGrpcIsOnTheNextPort(string command, params string[] options)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        var input = Path.Combine(_folder, command == "batch" ? "calls" : "calls/a.wav");
        var address = fixture.Host.Gateway.HttpAddress.GetLeftPart(UriPartial.Authority);
        var run = await RunAsync(
            null, address, [command, input, .. options.Select(option => option.EndsWith("jsonl", StringComparison.Ordinal) ? Path.Combine(_folder, option) : option)]);
        Assert.Equal(69, run.ExitCode);
        Assert.Equal(
            $"affect: {address}: the server does not speak HTTP/2 on this port; gRPC is on the next one, 8081 by default\n", run.Error);
    }

    [Fact]
    public async Task Batch_Interrupted_KeepsFinishedResults()
    {
        CommandLine.SkipWhereInterruptsAreIgnored();
        await using var gateway = await FlakyGateway.StartAsync(hang: true);
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        Put("calls/a.wav", TestMedia.Speech());
        const string Done = "{ \"file\": \"z.wav\", \"analysis\": {} }\n";
        var results = Put("results.jsonl", System.Text.Encoding.UTF8.GetBytes(Done));
        using var process = Start(gateway.Address, "batch", Path.Combine(_folder, "calls"), "--out", results);
        await gateway.Entered;
        await CommandLine.InterruptAsync(process);
        await process.WaitForExitAsync(Cancellation);
        Assert.Equal(130, process.ExitCode);
        Assert.Equal(Done, File.ReadAllText(results));
    }

    [Fact]
    public async Task Batch_OutputIsOtherFile_IsNotOverwritten()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "calls"));
        var wav = WavFile.Mono(TestMedia.Silence(1));
        var other = Put("other.wav", wav);
        var run = await RunAsync(null, fixture.Host.Gateway.GrpcAddress, "batch", Path.Combine(_folder, "calls"), "--out", other);
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(wav, File.ReadAllBytes(other));
    }

    [Theory]
    [InlineData("stream")]
    [InlineData("stream", "x.wav", "--channels", "boss")]
    [InlineData("stream", "-", "--encoding", "mulaw")]
    [InlineData("stream", "-", "--encoding", "opus", "--rate", "8000")]
    [InlineData("stream", "x.wav", "--hop", "99")]
    [InlineData("load", "x.wav", "--calls", "0", "--seconds", "9")]
    [InlineData("load", "x.wav", "--calls", "9")]
    [InlineData("batch", "calls")]
    [InlineData("batch", "calls", "--out", "x", "--concurrency", "0")]
    public async Task CommandLine_Invalid_IsUsageError(params string[] arguments)
    {
        var run = await RunAsync(null, "http://127.0.0.1:9", arguments);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("affect: ", run.Error);
    }

    [Fact]
    public async Task Batch_ServerUnavailable_PrintsAddress()
    {
        var run = await RunAsync(null, "http://127.0.0.1:9", "stream", Call());
        Assert.Equal((69, ""), (run.ExitCode, run.Output));
        Assert.Equal("affect: http://127.0.0.1:9: the server cannot be reached\n", run.Error);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Six windows of the fake gateway.</summary>
    private string Call() => Put("call.wav", WavFile.Mono(TestMedia.Noise(0.6, 8000), 8000, WavEncoding.MuLaw));

    /// <summary>The files that a batch has left out, as it names them.</summary>
    private static IEnumerable<string> LeftOut(CommandResult run) =>
        run.Error.Split('\n').Where(line => line.Contains(": left out: ", StringComparison.Ordinal)).Select(line => line.Split(": ")[1]);

    private static async Task FfmpegAsync(params string[] arguments)
    {
        using var ffmpeg = Process.Start("ffmpeg", ["-v", "error", "-y", .. arguments]);
        await ffmpeg.WaitForExitAsync(Cancellation);
        Assert.Equal(0, ffmpeg.ExitCode);
    }

    private string Put(string name, byte[] content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static Task<CommandResult> RunAsync(byte[]? input, string address, params string[] arguments) =>
        CommandLine.RunAsync(input, address, [], arguments);

    private static Process Start(string address, params string[] arguments) => CommandLine.Start(address, [], arguments);
}
