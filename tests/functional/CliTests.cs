using System.Text.Json;
using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>The command line client as a process, as a shell runs it.</summary>
public sealed class CliTests(AffectFixture fixture) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-cli-").FullName;

    [Fact]
    public async Task Analyze_Voice_PrintsWindowsAndFusedAnswer()
    {
        var run = await RunAsync("analyze", Voice());

        Assert.Equal(0, run.ExitCode);
        Assert.Equal("", run.Error);
        Assert.Contains("voice.wav", run.Output);
        Assert.Contains("Voice", run.Output);
        Assert.Contains("0:00.0 to 0:03.0", run.Output);
        Assert.DoesNotContain("Faces", run.Output);
        Assert.Contains("Result", run.Output);
        foreach (var emotion in Emotions.EmotionLabels.Names)
            Assert.Contains(emotion, run.Output);
        Assert.DoesNotContain('\e', run.Output);
    }

    [Fact]
    public async Task Analyze_VoiceAndPicture_AreOneClip()
    {
        var run = await RunAsync("analyze", "--json", Picture("a.png"), Voice());

        Assert.Equal(0, run.ExitCode);
        var clip = Assert.Single(CommandLine.Lines(run.Output));
        Assert.Equal([Path.Combine(_folder, "voice.wav"), Path.Combine(_folder, "a.png")], Files(clip));
        var analysis = clip.GetProperty("analysis");
        Assert.Equal("OUTCOME_NO_FACE", analysis.GetProperty("face").GetProperty("judgement").GetProperty("outcome").GetString());
        Assert.Equal(1, analysis.GetProperty("face").GetProperty("images").GetArrayLength());
        Assert.NotEqual(0, analysis.GetProperty("speech").GetProperty("windows").GetArrayLength());
        Assert.NotEqual(JsonValueKind.Null, analysis.GetProperty("fused").GetProperty("judgement").GetProperty("scores").ValueKind);
    }

    [Fact]
    public async Task Analyze_PicturesOnly_AreOneClipEach()
    {
        var run = await RunAsync("analyze", "--json", Picture("a.png"), Picture("b.png"));

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(
            [[Path.Combine(_folder, "a.png")], [Path.Combine(_folder, "b.png")]],
            CommandLine.Lines(run.Output).Select(Files));
    }

    [Fact]
    public async Task Analyze_Face_PrintsItsBox()
    {
        Assert.SkipWhen(TestMedia.Photo("1.jpg") is null, "AFFECT_PHOTOS is not set");
        var run = await RunAsync("analyze", Put("1.jpg", TestMedia.Photo("1.jpg")!));

        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"\d+×\d+ at \d+,\d+", run.Output);
    }

    [Fact]
    public async Task Analyze_StandardInput_IsRead()
    {
        var run = await RunAsync(TestMedia.Speech(), "analyze", "--json", "-");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["-"], Files(Assert.Single(CommandLine.Lines(run.Output))));
    }

    [Fact]
    public async Task Analyze_UnreadableFile_IsNamedAndOthersAreAnalyzed()
    {
        var run = await RunAsync("analyze", "--json", Put("text.wav", "this is not audio"u8.ToArray()), Voice(), Path.Combine(_folder, "none.wav"));

        Assert.Equal(1, run.ExitCode);
        Assert.Equal([Path.Combine(_folder, "voice.wav")], Files(Assert.Single(CommandLine.Lines(run.Output))));
        Assert.Contains($"affect: {_folder}/none.wav: No such file or directory\n", run.Error);
        Assert.Contains($"affect: {_folder}/text.wav: ", run.Error);
    }

    [Fact]
    public async Task Analyze_UnreadablePicture_IsNamed()
    {
        var run = await RunAsync("analyze", Voice(), Picture("a.png"), Put("bomb.png", TestMedia.PngBomb()));

        Assert.Equal(1, run.ExitCode);
        Assert.Contains($"affect: {_folder}/bomb.png: ", run.Error);
        Assert.DoesNotContain("a.png", run.Error);
    }

    [Fact]
    public async Task Analyze_UnknownModel_ErrorNamesOption()
    {
        var run = await RunAsync("analyze", Voice(), "--speech-model", "nonsuch");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("affect: --speech-model: ", run.Error);
    }

    [Fact]
    public async Task Analyze_Silence_PrintsNoSpeech()
    {
        var run = await RunAsync("analyze", Put("silence.wav", WavFile.Mono(TestMedia.Silence(2))));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("no speech", run.Output);
    }

    [Fact]
    public async Task Models_All_AreListedWithMetrics()
    {
        var list = await RunAsync("models");
        Assert.Equal(0, list.ExitCode);
        Assert.Contains("speech, default", list.Output);
        Assert.Contains("face, default", list.Output);

        var models = CommandLine.Lines((await RunAsync("models", "--json")).Output);
        var name = models[0].GetProperty("reference").GetProperty("name").GetString()!;
        var one = await RunAsync("models", name);
        Assert.Equal(0, one.ExitCode);
        Assert.StartsWith(name, one.Output);
        Assert.Contains("accuracy", one.Output);

        var none = await RunAsync("models", "nonsuch");
        Assert.Equal(1, none.ExitCode);
        Assert.Equal("", none.Output);
        Assert.Contains("nonsuch", none.Error);
    }

    [Theory]
    [InlineData("analyze")]
    [InlineData("analyzes", "x.wav")]
    [InlineData("analyze", "x.wav", "--hop", "99")]
    [InlineData("analyze", "x.wav", "--nonsuch")]
    [InlineData("models", "--timeout", "0")]
    [InlineData("models", "--address", "ftp://here")]
    public async Task CommandLine_Invalid_IsUsageError(params string[] arguments)
    {
        var run = await RunAsync(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.StartsWith("affect: ", run.Error);
    }

    [Fact]
    public async Task Analyze_ServerUnavailable_PrintsAddress()
    {
        var run = await RunAsync("analyze", Voice(), Picture("a.png"), "--address", "127.0.0.1:9");
        Assert.Equal(69, run.ExitCode);
        Assert.Equal("affect: http://127.0.0.1:9: the server cannot be reached\n", run.Error);
    }

    [Fact]
    public async Task Analyze_KeyRequired_IsReadFromEnvironment()
    {
        var hash = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData("right"u8));
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Gateway:RequireApiKey"] = "true",
            ["Gateway:ApiKeys:tests:Sha256"] = hash,
        });
        var without = await RunAsync("models", "--address", host.Gateway.GrpcAddress);
        Assert.Equal(77, without.ExitCode);
        Assert.Contains("--api-key", without.Error);

        var wrong = await RunAsync("models", "--address", host.Gateway.GrpcAddress, "--api-key", "wrong");
        Assert.Equal(77, wrong.ExitCode);

        var right = await RunAsync(null, [("AFFECT_API_KEY", "right")], "models", "--address", host.Gateway.GrpcAddress);
        Assert.Equal(0, right.ExitCode);
    }

    [Fact]
    public async Task Analyze_Interrupted_Exits()
    {
        CommandLine.SkipWhereInterruptsAreIgnored();
        await using var gateway = await FlakyGateway.StartAsync(hang: true);
        using var process = CommandLine.Start(fixture.Host.Gateway.GrpcAddress, [], "analyze", Picture("a.png"), "--address", gateway.Address);
        await gateway.Entered;
        await CommandLine.InterruptAsync(process);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(130, process.ExitCode);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Voice() => Put("voice.wav", TestMedia.Speech());

    private string Picture(string name) => Put(name, TestMedia.Png(64, 64));

    private string Put(string name, byte[] content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static IEnumerable<string?> Files(JsonElement clip) =>
        clip.GetProperty("files").EnumerateArray().Select(file => file.GetString()).ToList();

    private Task<CommandResult> RunAsync(params string[] arguments) => RunAsync(null, [], arguments);

    private Task<CommandResult> RunAsync(byte[] input, params string[] arguments) => RunAsync(input, [], arguments);

    private Task<CommandResult> RunAsync(byte[]? input, (string, string)[] environment, params string[] arguments) =>
        CommandLine.RunAsync(input, fixture.Host.Gateway.GrpcAddress, environment, arguments);
}
