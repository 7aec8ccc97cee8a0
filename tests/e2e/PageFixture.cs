using System.Diagnostics;
using Affect.E2ETests;
using Affect.Testing;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PageFixture))]

namespace Affect.E2ETests;

/// <summary>
/// One Affect and one Chromium whose microphone and camera play files, shared by all tests that do not change them. Uses the
/// installed browser. Tests are skipped if the browser or the page is missing.
/// </summary>
public sealed class PageFixture : IAsyncLifetime
{
    /// <summary>Timeout of waiting for expected results.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("affect-e2e-").FullName;
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private AffectHost? _host;
    private string _missing = "";

    /// <summary>Names of the browser.</summary>
    private static string? Chromium => ((string[])["chromium", "chromium-browser", "google-chrome"])
        .SelectMany(name => Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    /// <summary>All services; the gateway serves the page.</summary>
    public AffectHost Host => _host ?? throw new InvalidOperationException("not started");

    /// <summary>The recording that the fake microphone plays: mono, 48 kHz.</summary>
    public string VoiceFile => Path.Combine(_folder, "voice.wav");

    /// <summary>True if the detector finds the faces of the camera.</summary>
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

    /// <summary>Starts another browser.</summary>
    /// <param name="permission">The switch that grants or denies devices.</param>
    public Task<IBrowser> LaunchAsync(string permission)
    {
        SkipIfMissing();
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

    /// <summary>Opens a page of Affect in a tab that fails on errors of the browser.</summary>
    /// <param name="path">For example "/models".</param>
    /// <param name="address">Address of another gateway.</param>
    /// <param name="browser">Another browser.</param>
    /// <param name="script">Script to run before the page's.</param>
    /// <param name="options">Options of the browser's context.</param>
    public async Task<Tab> OpenAsync(
        string path, Uri? address = null, IBrowser? browser = null, string? script = null, BrowserNewContextOptions? options = null)
    {
        SkipIfMissing();
        var context = await (browser ?? _browser!).NewContextAsync(options);
        context.SetDefaultTimeout((float)Patience.TotalMilliseconds);
        var page = await context.NewPageAsync();
        if (script is not null)
            await page.AddInitScriptAsync(script);
        var tab = new Tab(page);
        await page.GotoAsync(new Uri(address ?? Host.Gateway.HttpAddress, path).AbsoluteUri);
        return tab;
    }

    public void SkipIfMissing() => Assert.SkipWhen(_missing.Length > 0, _missing);

    /// <summary>Runs ffmpeg, which the features service requires too.</summary>
    public static async Task FfmpegAsync(params string[] arguments)
    {
        using var process = Process.Start("ffmpeg", ["-v", "error", "-y", .. arguments]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>Makes media of an angry actor of RAVDESS, or of a synthesized voice without RAVDESS, and of the drawn face.</summary>
    private async Task MakeDevicesAsync()
    {
        var voice = Environment.GetEnvironmentVariable("AFFECT_DATA") is { Length: > 0 } data
            ? Path.Combine(data, "ravdess/Actor_01/03-01-05-02-01-01-01.wav")
            : TestMedia.FixturePath("golden/speech.wav");
        await FfmpegAsync("-i", voice, "-ac", "1", "-ar", "48000", VoiceFile);
        await FfmpegAsync("-loop", "1", "-i", Sample("face.jpg"), "-t", "1", "-r", "10", "-pix_fmt", "yuvj420p", "-q:v", "3", Path.Combine(_folder, "face.mjpeg"));
    }

    /// <summary>One of the sample clips of the page.</summary>
    public static string Sample(string name) => Path.Combine(AppContext.BaseDirectory, "web", "samples", name);
}
