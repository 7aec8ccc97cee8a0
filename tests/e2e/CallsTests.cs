using Affect.Client;
using Affect.Testing;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>The Calls page during calls.</summary>
public sealed class CallsTests(PageFixture fixture)
{
    private static readonly AudioFormat Format = new(AudioEncoding.L16, TestMedia.SampleRate, [SpeakerRole.Customer, SpeakerRole.Agent]);

    [Fact]
    public async Task Calls_RunningCall_ShowsAlertsAndSummary()
    {
        fixture.SkipIfMissing();
        // A rule that any speech raises.
        await using var host = await AffectHost.StartAsync(new Dictionary<string, string?>
        {
            ["Fusion:Alerts:anything:Emotion"] = "neutral",
            ["Fusion:Alerts:anything:Above"] = "0",
            ["Fusion:Alerts:anything:ClearBelow"] = "0",
            ["Fusion:Alerts:anything:For"] = "00:00:02",
        });
        await using var tab = await fixture.OpenAsync("/calls", host.Gateway.HttpAddress);
        await Expect(tab.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
        await Expect(tab.Page.GetByText("No call yet")).ToBeVisibleAsync();

        using var client = new AffectClient(host.Gateway.GrpcAddress);
        await using var call = client.StartCall(new StreamOptions { SessionId = "e2e-1", Audio = Format }, TestContext.Current.CancellationToken);
        var ended = ReadAsync(call);
        for (var i = 0; i < 3; i++)
            await call.WriteAudioAsync(Stereo(), TestContext.Current.CancellationToken);

        var shown = tab.Page.Locator("[data-call='e2e-1']");
        await Expect(shown).ToHaveAttributeAsync("data-status", "");
        await Expect(shown.Locator(".ribbon")).ToHaveCountAsync(1);
        await Expect(shown.Locator(".ribbon")).Not.ToHaveAttributeAsync("data-slices", "0");
        await Expect(shown.GetByText("emotion inference is off")).ToBeVisibleAsync();
        await Expect(tab.Page.GetByRole(Microsoft.Playwright.AriaRole.Log)).ToContainTextAsync("alert “anything” raised");

        await call.CompleteAsync();
        await ended;
        await Expect(shown).ToHaveAttributeAsync("data-status", "OK");
        await Expect(shown.Locator(".summary tbody tr")).ToHaveCountAsync(2);
        await Expect(shown.Locator(".summary")).ToContainTextAsync("Customer");
        Assert.Empty(await tab.AxeAsync());
    }

    [Fact]
    public async Task Calls_LivePageStopped_ShowsSummary()
    {
        await using var calls = await fixture.OpenAsync("/calls");
        await Expect(calls.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
        await using var live = await fixture.OpenAsync("/");
        await live.Button("Use microphone").ClickAsync();
        await Expect(calls.Page.Locator("[data-status='']").First).ToBeVisibleAsync();
        await Expect(live.Page.Locator("[data-now]").First).Not.ToHaveTextAsync("Listening and looking");
        await live.Button("Stop microphone").ClickAsync();
        await Expect(calls.Page.Locator("[data-status=OK] .summary").First).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Calls_ServerRestarts_Reconnects()
    {
        fixture.SkipIfMissing();
        await using var host = await AffectHost.StartAsync();
        await using var tab = await fixture.OpenAsync("/calls", host.Gateway.HttpAddress);
        tab.Expect("Failed to load resource");
        await Expect(tab.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
        await host.Gateway.StopAsync();
        await Expect(tab.Page.Locator("[data-watching=lost]")).ToBeVisibleAsync();
        await host.Gateway.StartAsync();
        await Expect(tab.Page.Locator("[data-watching=on]")).ToBeVisibleAsync();
    }

    /// <summary>Reads the call to its end; the page shows its events.</summary>
    private static async Task ReadAsync(AffectCall call)
    {
        await foreach (var result in call.Results)
            Assert.NotNull(result);
    }

    /// <summary>Synthesized speech on the customer's channel, silence on the agent's, little-endian.</summary>
    private static byte[] Stereo()
    {
        const int Header = 44;
        var mono = TestMedia.Speech().AsSpan(Header);
        var stereo = new byte[2 * mono.Length];
        for (var i = 0; i + 1 < mono.Length; i += 2)
            mono.Slice(i, 2).CopyTo(stereo.AsSpan(2 * i));
        return stereo;
    }
}
