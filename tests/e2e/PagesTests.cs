using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>Properties of every page.</summary>
public sealed partial class PagesTests(PageFixture fixture)
{
    /// <summary>Limit for the first visit: document, script, style, models.</summary>
    private const int LargestFirstLoad = 300 * 1024;

    public static TheoryData<string, ColorScheme, int> Looks
    {
        get
        {
            var looks = new TheoryData<string, ColorScheme, int>();
            foreach (var path in (string[])["/", "/analyze", "/calls", "/models", "/api"])
            {
                looks.Add(path, ColorScheme.Light, 1280);
                looks.Add(path, ColorScheme.Dark, 390);
            }
            return looks;
        }
    }

    [Theory, MemberData(nameof(Looks))]
    public async Task Page_AnySchemeAndWidth_IsAccessibleAndSelfContained(string path, ColorScheme scheme, int width)
    {
        fixture.SkipIfMissing();
        await using var tab = await fixture.OpenAsync("about:blank", options: new() { ColorScheme = scheme, ViewportSize = new() { Width = width, Height = 800 } });
        var hosts = new HashSet<string>();
        tab.Page.Request += (_, request) => hosts.Add(new Uri(request.Url).Authority);

        await tab.Page.GotoAsync(new Uri(fixture.Host.Gateway.HttpAddress, path).AbsoluteUri);
        await Expect(tab.Page.Locator("h1")).ToBeVisibleAsync();
        if (path is "/" or "/models")
            await Expect(tab.Page.GetByText("mfcc-attention").First).ToBeAttachedAsync();
        if (path == "/calls")
            await Expect(tab.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();

        Assert.Equal([fixture.Host.Gateway.HttpAddress.Authority], hosts);
        Assert.Equal(0, await tab.Page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth"));
        Assert.Empty(await tab.AxeAsync());
        await Expect(tab.Page.Locator("footer")).ToContainTextAsync("Nothing is stored");
        await Expect(tab.Page.Locator("footer")).ToContainTextAsync("Art. 50(3)");
    }

    [Fact]
    public async Task Page_SecondLoad_ComesFromCache()
    {
        fixture.SkipIfMissing();
        await using var tab = await fixture.OpenAsync("about:blank");
        var devtools = await tab.Page.Context.NewCDPSessionAsync(tab.Page);
        await devtools.SendAsync("Network.enable");
        var (bytes, cached) = (0.0, 0);
        devtools.Event("Network.loadingFinished").OnEvent += (_, finished) => bytes += finished!.Value.GetProperty("encodedDataLength").GetDouble();
        devtools.Event("Network.requestServedFromCache").OnEvent += (_, _) => cached++;

        await tab.Page.GotoAsync(fixture.Host.Gateway.HttpAddress.AbsoluteUri, new() { WaitUntil = WaitUntilState.NetworkIdle });
        await Expect(tab.Page.GetByText("How far to trust it")).ToBeVisibleAsync();
        Assert.InRange(bytes, 10_000, LargestFirstLoad);

        await tab.Page.GotoAsync(new Uri(fixture.Host.Gateway.HttpAddress, "/api").AbsoluteUri, new() { WaitUntil = WaitUntilState.NetworkIdle });
        Assert.InRange(cached, 2, int.MaxValue);
    }

    [Fact]
    public async Task Responses_Headers_SetCachingAndPolicies()
    {
        fixture.SkipIfMissing();
        using var http = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        var cancellation = TestContext.Current.CancellationToken;
        using var index = await http.GetAsync("/models", cancellation);
        var script = Script().Match(await index.Content.ReadAsStringAsync(cancellation)).Groups[1].Value;
        using var asset = await http.GetAsync(script, cancellation);
        using var again = new HttpRequestMessage(HttpMethod.Get, script) { Headers = { IfNoneMatch = { asset.Headers.ETag! } } };
        using var unchanged = await http.SendAsync(again, cancellation);
        using var unknown = await http.GetAsync("/nothing", cancellation);

        Assert.Equal(new CacheControlHeaderValue { NoCache = true }, index.Headers.CacheControl);
        Assert.Equal(TimeSpan.FromDays(365), asset.Headers.CacheControl?.MaxAge);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        foreach (var response in (HttpResponseMessage[])[index, asset])
        {
            var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.Contains("default-src 'self'", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        }
    }

    [Fact]
    public async Task Navigation_ByKeyboard_FocusesHeading()
    {
        await using var tab = await fixture.OpenAsync("/");
        await tab.Page.Keyboard.PressAsync("Tab");
        await Expect(tab.Page.GetByText("Skip to the content")).ToBeFocusedAsync();
        for (var i = 0; i < 3; i++)
            await tab.Page.Keyboard.PressAsync("Tab");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page).ToHaveTitleAsync("Analyze · Affect");
        await Expect(tab.Page.Locator("h1")).ToBeFocusedAsync();
        await tab.Page.GoBackAsync();
        await Expect(tab.Page).ToHaveTitleAsync("Live · Affect");
    }

    [Fact]
    public async Task KeyForm_ServerRequiresKey_IsShownAndUsed()
    {
        fixture.SkipIfMissing();
        const string Key = "0123456789abcdef";
        await using var host = await Testing.AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Gateway:RequireApiKey"] = "true",
            ["Gateway:ApiKeys:page:Sha256"] = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Key))),
        });
        await using var tab = await fixture.OpenAsync("/", host.Gateway.HttpAddress);
        tab.Expect("401");

        await tab.Page.GetByLabel("This server requires an API key").FillAsync(Key);
        await tab.Button("Use this key").ClickAsync();
        await Expect(tab.Page.GetByText("How far to trust it")).ToBeVisibleAsync();

        // WebSocket, server-sent events and uploads send the key in different ways.
        await tab.Button("Use microphone").ClickAsync();
        await Expect(tab.Page.Locator("[data-connection=on]")).ToBeVisibleAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Calls" }).ClickAsync();
        await Expect(tab.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Analyze" }).ClickAsync();
        await tab.Button("A drawn face").ClickAsync();
        await Expect(tab.Page.Locator("[data-answer]")).ToBeVisibleAsync();
    }

    [GeneratedRegex("src=\"(/assets/main-[^\"]+)\"")]
    private static partial Regex Script();
}
