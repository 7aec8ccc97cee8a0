using System.Diagnostics;
using Affect.E2ETests;
using Affect.Testing;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PageFixture))]

namespace Affect.E2ETests;

/// <summary>
/// One Affect and one Chromium with a microphone and a camera fed from files, for all tests that leave them as they found
/// them. The browser is the machine's; none is downloaded. Without it, or without the page, tests are skipped.
/// </summary>
public sealed class PageFixture : IAsyncLifetime
{
    /// <summary>How long tests wait for what is sure to come.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("affect-e2e-").FullName;
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private AffectHost? _host;
    private string _missing = "";

    /// <summary>What chromium is called.</summary>
    private static string? Chromium => ((string[])["chromium", "chromium-browser", "google-chrome"])
        .SelectMany(name => Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    /// <summary>All services; the gateway serves the page.</summary>
    public AffectHost Host => _host ?? throw new InvalidOperationException("not started");

    /// <summary>Where the fake microphone gets its voice from: mono, 48 kHz.</summary>
    public string VoiceFile => Path.Combine(_folder, "voice.wav");

    /// <summary>Whether faces are sure to be found in what the camera sees.</summary>
    public static bool FindsFaces => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("AFFECT_YUNET"));

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Path.Combine(AppContext.BaseDirectory, "web", "index.html")))
            _missing = "the page is not built: npm ci && npm run build in gateway/web";
        else if (Chromium is null)
            _missing = "chromium is not installed";
        if (_missing.Length > 0)
            return;
        await MakeDevicesAsync();
        Assertions.SetDefaultExpectTimeout((float)Patience.TotalMilliseconds);
        _playwright = await Playwright.CreateAsync();
        _host = await AffectHost.StartAsync();
        _browser = await LaunchAsync("--use-fake-ui-for-media-stream");
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.CloseAsync();
        _playwright?.Dispose();
        Directory.Delete(_folder, recursive: true);
        if (_host is not null)
            await _host.DisposeAsync();
    }

    /// <summary>A browser of its own.</summary>
    /// <param name="permission">The switch that answers for the user when a page asks for a device.</param>
    public Task<IBrowser> LaunchAsync(string permission)
    {
        SkipWhereMissing();
        return _playwright!.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Chromium,
            Args =
            [
                "--use-fake-device-for-media-stream", permission,
                $"--use-file-for-fake-audio-capture={VoiceFile}",
                $"--use-file-for-fake-video-capture={Path.Combine(_folder, "face.mjpeg")}",
            ],
        });
    }

    /// <summary>A tab that shows a page of Affect, and fails where the browser has anything to complain of.</summary>
    /// <param name="path">As "/models".</param>
    /// <param name="address">Of another gateway.</param>
    /// <param name="browser">Another browser.</param>
    /// <param name="script">Runs before the page's own.</param>
    /// <param name="options">Of the browser's context.</param>
    public async Task<Tab> OpenAsync(
        string path, Uri? address = null, IBrowser? browser = null, string? script = null, BrowserNewContextOptions? options = null)
    {
        SkipWhereMissing();
        var context = await (browser ?? _browser!).NewContextAsync(options);
        context.SetDefaultTimeout((float)Patience.TotalMilliseconds);
        var page = await context.NewPageAsync();
        if (script is not null)
            await page.AddInitScriptAsync(script);
        var tab = new Tab(page);
        await page.GotoAsync(new Uri(address ?? Host.Gateway.HttpAddress, path).AbsoluteUri);
        return tab;
    }

    public void SkipWhereMissing() => Assert.SkipWhen(_missing.Length > 0, _missing);

    /// <summary>ffmpeg, as the features service has it.</summary>
    public static async Task FfmpegAsync(params string[] arguments)
    {
        using var process = Process.Start("ffmpeg", ["-v", "error", "-y", .. arguments]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>An angry actor of RAVDESS and the drawn face; where there is no RAVDESS a synthesised voice.</summary>
    private async Task MakeDevicesAsync()
    {
        var voice = Environment.GetEnvironmentVariable("AFFECT_DATA") is { Length: > 0 } data
            ? Path.Combine(data, "ravdess/Actor_01/03-01-05-02-01-01-01.wav")
            : TestMedia.FixturePath("golden/speech.wav");
        await FfmpegAsync("-i", voice, "-ac", "1", "-ar", "48000", VoiceFile);
        await FfmpegAsync("-loop", "1", "-i", Sample("face.jpg"), "-t", "1", "-r", "10", "-pix_fmt", "yuvj420p", "-q:v", "3", Path.Combine(_folder, "face.mjpeg"));
    }

    /// <summary>One of the clips that the page offers.</summary>
    public static string Sample(string name) => Path.Combine(AppContext.BaseDirectory, "web", "samples", name);
}
