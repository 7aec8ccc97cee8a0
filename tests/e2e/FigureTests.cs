using System.Globalization;
using Affect.Client;
using Affect.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>Screenshots and timings for the documentation, made on request.</summary>
public sealed class FigureTests(PageFixture fixture, ITestOutputHelper output)
{
    private const int LargestPicture = 150 * 1024;

    [Fact]
    public async Task Pages_Screenshots_AreTaken()
    {
        var folder = Environment.GetEnvironmentVariable("AFFECT_SCREENSHOTS");
        Assert.SkipWhen(string.IsNullOrEmpty(folder), "AFFECT_SCREENSHOTS names no folder");
        Assert.SkipUnless(PageFixture.FindsFaces, "AFFECT_YUNET is not set");
        Directory.CreateDirectory(folder);
        var size = new ViewportSize { Width = 1024, Height = 760 };

        await using var live = await fixture.OpenAsync("/", options: new() { ViewportSize = size });
        await live.Button("Use microphone").ClickAsync();
        await live.Button("Use camera").ClickAsync();
        await using var calls = await fixture.OpenAsync("/calls", options: new() { ViewportSize = size });
        await Expect(calls.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
        await Expect(live.Page.Locator(".alerts li")).Not.ToHaveCountAsync(0);
        await SaveAsync(live, "live");

        using var client = new AffectClient(fixture.Host.Gateway.GrpcAddress);
        await using var call = client.StartCall(
            new StreamOptions { SessionId = "order-4711", Audio = new AudioFormat(AudioEncoding.L16, TestMedia.SampleRate, [SpeakerRole.Customer]) }, TestContext.Current.CancellationToken);
        var wav = Path.GetTempFileName() + ".wav";
        await PageFixture.FfmpegAsync("-stream_loop", "2", "-i", PageFixture.Sample("turn.mp3"), "-ac", "1", "-ar", TestMedia.SampleRate.ToString(), "-f", "s16le", wav);
        await call.WriteAudioAsync(await File.ReadAllBytesAsync(wav, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        File.Delete(wav);
        await call.CompleteAsync();
        await Expect(calls.Page.Locator("[data-call=order-4711] .summary")).ToBeVisibleAsync();
        await SaveAsync(calls, "calls");

        await using var analyze = await fixture.OpenAsync("/analyze", options: new() { ViewportSize = new() { Width = 1024, Height = 1300 } });
        await analyze.Page.Locator("input[type=file]").SetInputFilesAsync([PageFixture.Sample("turn.mp3"), PageFixture.Sample("face.jpg")]);
        await Expect(analyze.Page.Locator("[data-answer]")).ToBeVisibleAsync();
        await analyze.Page.EvaluateAsync("scrollTo(0, 380)");
        await SaveAsync(analyze, "analyze");

        foreach (var page in (string[])["models", "api"])
        {
            await using var tab = await fixture.OpenAsync($"/{page}", options: new() { ViewportSize = size });
            await Expect(tab.Page.Locator("section.panel").First).ToBeVisibleAsync();
            await SaveAsync(tab, page);
        }

        async Task SaveAsync(Tab tab, string name)
        {
            var picture = await tab.Page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png"), Animations = ScreenshotAnimations.Disabled });
            Assert.InRange(picture.Length, 1, LargestPicture);
        }
    }

    [Fact]
    public async Task Pages_Timings_AreMeasured()
    {
        Assert.SkipUnless(int.TryParse(Environment.GetEnvironmentVariable("AFFECT_FIGURES"), out var seconds), "AFFECT_FIGURES names no number of seconds");

        var ready = new List<double>();
        for (var i = 0; i < 10; i++)
        {
            await using var first = await fixture.OpenAsync("/", script: Interactive);
            await Expect(first.Button("Use microphone")).ToBeEnabledAsync();
            ready.Add(await first.Page.EvaluateAsync<double>("interactive"));
        }
        Tell("interactive after", ready);

        await using var tab = await fixture.OpenAsync("/", script: Latencies);
        await tab.Button("Use microphone").ClickAsync();
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Page.Locator(".latency")).ToBeVisibleAsync();
        await tab.Page.EvaluateAsync("latencies.length = 0");
        await Task.Delay(TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);
        Tell("a window's result after its last sample", await tab.Page.EvaluateAsync<double[]>("latencies"));
    }

    /// <summary>Time until the page's buttons respond.</summary>
    private const string Interactive = """
        new MutationObserver((_, observer) => {
          if (document.querySelector(".switch")) {
            window.interactive = performance.now();
            observer.disconnect();
          }
        }).observe(document, { childList: true, subtree: true });
        """;

    /// <summary>The latency that the page shows for each window.</summary>
    private const string Latencies = """
        window.latencies = [];
        let last = "";
        new MutationObserver(() => {
          const ribbon = document.querySelector(".ribbon")?.dataset.slices;
          const shown = document.querySelector(".latency b");
          if (shown && ribbon + shown.textContent !== last) {
            last = ribbon + shown.textContent;
            latencies.push(parseInt(shown.textContent));
          }
        }).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
        """;

    private void Tell(string what, IReadOnlyCollection<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToArray();
        Assert.NotEmpty(sorted);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}: median {sorted[sorted.Length / 2]:F0} ms, p99 {sorted[(int)(0.99 * (sorted.Length - 1))]:F0} ms, largest {sorted[^1]:F0} ms of {sorted.Length}"));
    }
}
