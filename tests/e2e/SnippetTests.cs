using System.Diagnostics;
using Affect.Client;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Grpc.Net.Client;
using Clip = Affect.Client.Clip;

namespace Affect.E2ETests;

/// <summary>Runs each snippet of the API page, with other addresses and file names only.</summary>
public sealed class SnippetTests(PageFixture fixture)
{
    private static readonly string SpeechFile = TestMedia.FixturePath("golden/speech.wav");
    private static readonly string FaceFile = PageFixture.Sample("face.jpg");

    [Fact]
    public async Task Api_Page_ShowsSnippets()
    {
        await using var tab = await fixture.OpenAsync("/api");
        var origin = fixture.Host.Gateway.HttpAddress.GetLeftPart(UriPartial.Authority);
        foreach (var name in (string[])["rest.sh", "grpc.cs", "sdk.cs", "cli.sh", "websocket.txt"])
        {
            var shown = Snippet(name).Replace("http://localhost:8080", origin, StringComparison.Ordinal)
                .Replace("ws://localhost:8080", origin.Replace("http", "ws", StringComparison.Ordinal), StringComparison.Ordinal).Trim();
            Assert.Contains(shown, await tab.Page.Locator("pre").AllTextContentsAsync());
        }
    }

    [Fact]
    public async Task Snippet_Rest_Runs()
    {
        var output = await ShellAsync(Snippet("rest.sh"));
        Assert.Contains("\"fused\":", output, StringComparison.Ordinal);
        Assert.Contains("\"reference\":", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snippet_CommandLine_Runs()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "../../Affect.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "affect.dll");
        var output = await ShellAsync(Snippet("cli.sh").Replace("deploy/affect", $"dotnet {program}", StringComparison.Ordinal));
        Assert.Contains("Result", output, StringComparison.Ordinal);
        Assert.Contains("overlap", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snippet_WebSocket_Runs()
    {
        fixture.SkipIfMissing();
        await using var tab = await fixture.OpenAsync("/api");
        var code = Snippet("websocket.txt").Replace("localhost:8080", fixture.Host.Gateway.HttpAddress.Authority, StringComparison.Ordinal)
            .Replace("console.log(", "answers.push(", StringComparison.Ordinal);
        var kinds = await tab.Page.EvaluateAsync<string[]>($$"""
            async () => {
              const answers = [];
              {{code}}
              const started = () => answers.some(answer => answer.started);
              for (socket.addEventListener("open", () => send(new Int16Array(4 * 16000).buffer)); !started();)
                await new Promise(resolve => setTimeout(resolve, 20));
              end();
              await new Promise(resolve => socket.onclose = resolve);
              return answers.map(answer => Object.keys(answer)[0]);
            }
            """);
        Assert.Equal("started", kinds[0]);
        Assert.Contains("window", kinds);
        Assert.Equal("summary", kinds[^1]);
    }

    [Theory, InlineData("sdk.cs"), InlineData("grpc.cs")]
    public void Snippet_CSharp_MatchesCodeOfTest(string name)
    {
        var source = string.Join('\n', File.ReadLines(Path.Combine(AppContext.BaseDirectory, "SnippetTests.cs")).Select(line => line.Trim()));
        foreach (var line in Snippet(name).Split('\n').Where(line => line.Length > 0))
            Assert.Contains(
                line.Trim()
                    .Replace("\"http://localhost:8081\"", "fixture.Host.Gateway.GrpcAddress", StringComparison.Ordinal)
                    .Replace("\"speech.wav\"", "SpeechFile", StringComparison.Ordinal)
                    .Replace("\"face.jpg\"", "FaceFile", StringComparison.Ordinal)
                    // The SDK has a Clip too.
                    .Replace("new Clip {", "new V1.Clip {", StringComparison.Ordinal),
                source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snippet_Sdk_Runs()
    {
        fixture.SkipIfMissing();
        Assert.Contains("%", await SdkAsync(), StringComparison.Ordinal);
    }

    private async Task<string> SdkAsync()
    {
        var Console = new StringWriter();

        using var client = new AffectClient(fixture.Host.Gateway.GrpcAddress);

        var analysis = await client.AnalyzeAsync(new Clip
        {
            Audio = Media.FromFile(SpeechFile),
            Images = [Media.FromFile(FaceFile)],
        });

        var judgement = analysis.Fused.Judgement;
        Console.WriteLine($"{judgement.Outcome}: {judgement.Emotion} ({judgement.Confidence:P0})");

        return Console.ToString();
    }

    [Fact]
    public async Task Snippet_Grpc_Runs()
    {
        fixture.SkipIfMissing();
        Assert.Contains("confidence", await GrpcAsync(), StringComparison.Ordinal);
    }

    private async Task<string> GrpcAsync()
    {
        var Console = new StringWriter();

        using var channel = GrpcChannel.ForAddress(fixture.Host.Gateway.GrpcAddress);
        var service = new EmotionService.EmotionServiceClient(channel);

        var answer = await service.AnalyzeAsync(new AnalyzeRequest
        {
            Clip = new V1.Clip { Audio = ByteString.CopyFrom(await File.ReadAllBytesAsync(SpeechFile)) },
        });

        Console.WriteLine(answer.Analysis.Fused);

        return Console.ToString();
    }

    private static string Snippet(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "snippets", name));

    /// <summary>Output of bash.</summary>
    private async Task<string> ShellAsync(string script)
    {
        fixture.SkipIfMissing();
        var start = new ProcessStartInfo("bash", ["-euc", script
            .Replace("http://localhost:8080", fixture.Host.Gateway.HttpAddress.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal)
            .Replace("speech.wav", SpeechFile, StringComparison.Ordinal)
            .Replace("call.wav", SpeechFile, StringComparison.Ordinal)
            .Replace("face.jpg", FaceFile, StringComparison.Ordinal)])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["AFFECT_ADDRESS"] = fixture.Host.Gateway.GrpcAddress;
        using var shell = Process.Start(start)!;
        var output = await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, shell.ExitCode);
        return output;
    }
}
