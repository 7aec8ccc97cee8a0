using System.Text.Json;
using Affect.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>The Analyze page: recordings, pictures and videos, valid and broken.</summary>
public sealed class AnalyzeTests(PageFixture fixture) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-analyze-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Analyze_Recording_ShowsTimelineAndDownloads()
    {
        await using var tab = await fixture.OpenAsync("/analyze");
        await ChooseAsync(tab, fixture.VoiceFile);
        await AnsweredAsync(tab);

        await Expect(tab.Page.Locator("audio.player")).ToBeVisibleAsync();
        Assert.True(await IsPaintedAsync(tab, ".waveform"));
        Assert.True(await IsPaintedAsync(tab, ".ribbon"));

        // The page shows the numbers of the API.
        var json = JsonDocument.Parse(await DownloadAsync(tab, "Download voice.json")).RootElement;
        var windows = json.GetProperty("speech").GetProperty("windows");
        await Expect(tab.Page.Locator(".timeline button")).ToHaveCountAsync(windows.GetArrayLength());
        var csv = (await DownloadAsync(tab, "Download voice.csv")).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(1 + 2 + windows.GetArrayLength(), csv.Length);
        await Expect(tab.Page.Locator("table.numbers tbody tr")).ToHaveCountAsync(csv.Length - 1);
        var answer = json.GetProperty("fused").GetProperty("judgement").GetProperty("scores").GetProperty("angry").GetDouble();
        await Expect(tab.Page.Locator("table.numbers tbody tr").First).ToContainTextAsync(answer.ToString("F4"));
        Assert.Contains(answer.ToString("R"), csv[1], StringComparison.OrdinalIgnoreCase);
        Assert.Empty(await tab.AxeAsync());

        // A window of the timeline plays by mouse and by key.
        await tab.Page.Locator(".timeline button").First.FocusAsync();
        await tab.Page.Keyboard.PressAsync("ArrowRight");
        await Expect(tab.Page.Locator(".timeline button").Nth(1)).ToBeFocusedAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.Locator("audio.player")).ToHaveJSPropertyAsync("paused", false);
        Assert.True(await tab.Page.EvaluateAsync<double>("document.querySelector('audio').currentTime") > 0);
        await tab.Page.Locator(".waveform").ClickAsync(new() { Position = new() { X = 2, Y = 20 } });
        await Expect(tab.Page.Locator(".timeline button").First).ToHaveAttributeAsync("aria-current", "true");
    }

    [Fact]
    public async Task Analyze_Picture_ShowsFramePerFace()
    {
        Assert.SkipWhen(TestMedia.Photo("1.jpg") is null, "AFFECT_PHOTOS is not set");
        await using var tab = await fixture.OpenAsync("/analyze");
        var crowd = await SaveAsync("crowd.jpg", TestMedia.Photo("1.jpg")!);
        await ChooseAsync(tab, crowd);
        await AnsweredAsync(tab);

        using var http = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        using var form = new MultipartFormDataContent { { new ByteArrayContent(TestMedia.Photo("1.jpg")!), "image", "i" } };
        using var response = await http.PostAsync("v1/analyze", form, TestContext.Current.CancellationToken);
        var faces = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement
            .GetProperty("face").GetProperty("images")[0].GetProperty("faces").GetArrayLength();
        Assert.InRange(faces, 2, 100);
        await Expect(tab.Page.Locator(".picture .face")).ToHaveCountAsync(faces);
        await Expect(tab.Page.Locator(".scoreline")).ToHaveCountAsync(faces);
        await Expect(tab.Page.Locator("figcaption")).ToContainTextAsync($"{faces} faces");
        Assert.Empty(await tab.AxeAsync());
    }

    [Fact]
    public async Task Analyze_Video_AnalyzesAudioAndPictures()
    {
        fixture.SkipIfMissing();
        var video = Path.Combine(_folder, "video.webm");
        await PageFixture.FfmpegAsync(
            "-loop", "1", "-i", PageFixture.Sample("face.jpg"), "-i", fixture.VoiceFile, "-shortest", "-r", "5", "-c:v", "libvpx", "-b:v", "400k", "-c:a", "libopus", video);
        await using var tab = await fixture.OpenAsync("/analyze");
        await ChooseAsync(tab, video);
        await AnsweredAsync(tab);

        await Expect(tab.Page.Locator("video.player")).ToBeVisibleAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Columnheader, new() { Name = "Voice" })).ToBeVisibleAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Columnheader, new() { Name = "Faces" })).ToBeVisibleAsync();
        Assert.InRange(await tab.Page.Locator(".picture").CountAsync(), 2, 16);
        if (PageFixture.FindsFaces)
            await Expect(tab.Page.Locator(".picture .face").First).ToContainTextAsync("happy");
    }

    [Fact]
    public async Task Analyze_BrokenFile_ShowsErrorAndRecovers()
    {
        await using var tab = await fixture.OpenAsync("/analyze");
        tab.Expect("400");
        await ChooseAsync(tab, await SaveAsync("broken.wav", [.. "RIFF????WAVE and then nothing that is audio"u8]));
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("audio:");

        await ChooseAsync(tab, await SaveAsync("broken.png", [1, 2, 3]));
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("image[0]:");

        await ChooseAsync(tab, await SaveAsync("broken.mp4", [1, 2, 3]));
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("cannot play the video");
        Assert.Empty(await tab.AxeAsync());

        await tab.Button("A drawn face").ClickAsync();
        await AnsweredAsync(tab);
        await Expect(tab.Page.Locator(".message.bad")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Analyze_FileTooLarge_ShowsErrorBeforeUpload()
    {
        await using var tab = await fixture.OpenAsync("/analyze");
        var requests = 0;
        tab.Page.Request += (_, request) => requests += request.Method == "POST" ? 1 : 0;
        await ChooseAsync(tab, await SaveAsync("large.wav", new byte[(32 << 20) + 1]));
        await Expect(tab.Page.Locator(".message.bad")).ToContainTextAsync("larger than 32 MB");
        Assert.Equal(0, requests);
    }

    [Theory]
    [InlineData("A calm voice"), InlineData("A voice that becomes frightened"), InlineData("A drawn face")]
    public async Task Analyze_Sample_ShowsResult(string name)
    {
        await using var tab = await fixture.OpenAsync("/analyze");
        await tab.Button(name).ClickAsync();
        await AnsweredAsync(tab);
    }

    private static Task ChooseAsync(Tab tab, string file) => tab.Page.Locator("input[type=file]").SetInputFilesAsync(file);

    private static Task AnsweredAsync(Tab tab) => Expect(tab.Page.Locator("[data-answer]")).ToBeVisibleAsync();

    private static async Task<string> DownloadAsync(Tab tab, string link)
    {
        var download = await tab.Page.RunAndWaitForDownloadAsync(() => tab.Page.GetByRole(AriaRole.Link, new() { Name = link }).ClickAsync());
        return await File.ReadAllTextAsync(await download.PathAsync());
    }

    private async Task<string> SaveAsync(string name, byte[] bytes)
    {
        var path = Path.Combine(_folder, name);
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
        return path;
    }

    private static Task<bool> IsPaintedAsync(Tab tab, string canvas) => tab.Page.EvaluateAsync<bool>("""
        canvas => document.querySelector(canvas).getContext("2d").getImageData(0, 0, 300, 90).data.some(value => value > 0)
        """, canvas);
}
