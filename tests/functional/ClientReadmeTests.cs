using Affect.Client;
using Affect.Testing;

namespace Affect.FunctionalTests;

/// <summary>The snippet of the SDK's README is the body of the method below, line by line.</summary>
public sealed class ClientReadmeTests(AffectFixture fixture)
{
    [Fact]
    public void Readme_Snippet_IsTheTestedCode()
    {
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "client-readme.md"));
        var start = readme.IndexOf("```csharp\n", StringComparison.Ordinal) + "```csharp\n".Length;
        var snippet = readme[start..readme.IndexOf("\n```", start, StringComparison.Ordinal)];
        var source = string.Join('\n', File.ReadLines(Path.Combine(AppContext.BaseDirectory, "ClientReadmeTests.cs")).Select(line => line.Trim()));
        foreach (var line in snippet.Split('\n').Where(line => line.Length > 0))
            Assert.Contains(
                line.Trim()
                    .Replace("\"http://localhost:8081\"", "fixture.Host.Gateway.GrpcAddress", StringComparison.Ordinal)
                    .Replace("\"speech.wav\"", "speechFile", StringComparison.Ordinal)
                    .Replace("\"face.png\"", "faceFile", StringComparison.Ordinal),
                source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readme_Snippet_Runs()
    {
        var speechFile = TestMedia.FixturePath("golden/speech.wav");
        var faceFile = Path.GetTempFileName();
        await File.WriteAllBytesAsync(faceFile, TestMedia.Png(64, 64), TestContext.Current.CancellationToken);
        try
        {
            Assert.NotEmpty(await RunAsync(speechFile, faceFile));
        }
        finally
        {
            File.Delete(faceFile);
        }
    }

    private async Task<string> RunAsync(string speechFile, string faceFile)
    {
        var Console = new StringWriter();

        using var client = new AffectClient(fixture.Host.Gateway.GrpcAddress);

        var analysis = await client.AnalyzeAsync(new Clip
        {
            Audio = Media.FromFile(speechFile),
            Images = [Media.FromFile(faceFile)],
        });

        var judgement = analysis.Fused.Judgement;
        Console.WriteLine($"{judgement.Outcome}: {judgement.Emotion} ({judgement.Confidence:P0})");
        foreach (var window in analysis.Speech!.Windows)
            Console.WriteLine($"{window.Start:m\\:ss\\.f} to {window.End:m\\:ss\\.f}: {window.Judgement.Emotion?.ToString() ?? window.Judgement.Outcome.ToString()}");

        return Console.ToString();
    }
}
