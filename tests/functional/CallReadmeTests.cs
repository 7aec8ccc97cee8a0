using Affect.Client;

namespace Affect.FunctionalTests;

/// <summary>Like <see cref="ClientReadmeTests"/>, for the call snippet of the README.</summary>
public sealed class CallReadmeTests
{
    [Fact]
    public void Readme_CallSnippet_IsTheTestedCode()
    {
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "client-readme.md"));
        var first = readme.IndexOf("await using var call", StringComparison.Ordinal);
        var snippet = readme[first..readme.IndexOf("\n```", first, StringComparison.Ordinal)];
        var source = string.Join('\n', File.ReadLines(Path.Combine(AppContext.BaseDirectory, "CallReadmeTests.cs")).Select(line => line.Trim()));
        foreach (var line in snippet.Split('\n').Where(line => line.Length > 0))
            Assert.Contains(line.Trim(), source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readme_CallSnippet_Runs()
    {
        // A fake, so that the call needs no model.
        await using var gateway = await BreakingGateway.StartAsync();
        using var client = new AffectClient(gateway.Address);
        var lines = await RunAsync(client, Enumerable.Repeat(new byte[2 * BreakingGateway.Hop], 2).ToAsyncEnumerable());
        Assert.Equal(["0:00.1 channel 0: Happy", "happy-customer Raised"], lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)[..2]);
    }

    private static async Task<string> RunAsync(AffectClient client, IAsyncEnumerable<byte[]> microphone)
    {
        var Console = new StringWriter();

        await using var call = client.StartCall(new StreamOptions
        {
            Audio = new AudioFormat(AudioEncoding.MuLaw, 8000, [SpeakerRole.Customer, SpeakerRole.Agent]),
        });

        var speaking = Task.Run(async () =>
        {
            await foreach (var audio in microphone)
                await call.WriteAudioAsync(audio);
            await call.CompleteAsync();
        });

        await foreach (var result in call.Results)
            switch (result)
            {
                case CallWindow window:
                    Console.WriteLine($"{window.End:m\\:ss\\.f} channel {window.Channel}: {window.Smoothed.Emotion?.ToString() ?? window.Fused.Judgement.Outcome.ToString()}");
                    break;
                case Alert alert:
                    Console.WriteLine($"{alert.Rule} {alert.State}");
                    break;
            }
        await speaking;

        return Console.ToString();
    }
}
