using System.Text.RegularExpressions;
using Affect.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>The Live page with a microphone and a camera that play files.</summary>
public sealed partial class LiveTests(PageFixture fixture)
{
    private const string Voice = "td:nth-child(2)", Face = "td:nth-child(3)", Together = "td:nth-child(4)";

    [Fact]
    public async Task Live_MicrophoneAndCamera_ShowsFusedScoresAndTimeline()
    {
        await using var tab = await fixture.OpenAsync("/");
        await tab.Button("Use microphone").ClickAsync();
        await tab.Button("Use camera").ClickAsync();

        await ScoredAsync(tab, Voice);
        if (PageFixture.FindsFaces)
        {
            await Expect(tab.Page.Locator(".stage .face")).ToHaveCountAsync(1);
            await Expect(tab.Page.Locator(".stage .face span")).ToContainTextAsync("happy");
            await ScoredAsync(tab, Face);
        }
        await ScoredAsync(tab, Together);
        await MovesAsync(tab);
        await Expect(tab.Page.Locator("[data-voice=yes]")).ToBeVisibleAsync();
        await Expect(tab.Page.Locator(".latency")).ToHaveTextAsync(Latency());
        await UntilAsync(async () => await tab.Page.Locator("[role=meter]").GetAttributeAsync("aria-valuenow") != "-60");

        var slices = await SlicesAsync(tab);
        await UntilAsync(async () => await SlicesAsync(tab) > slices + 4);
        await Expect(tab.Page.GetByText("Art. 50(3)").First).ToBeVisibleAsync();
        Assert.Empty(await tab.AxeAsync());
    }

    [Fact]
    public async Task Live_MicrophoneOnly_ShowsScores()
    {
        await using var tab = await fixture.OpenAsync("/");
        await tab.Button("Use microphone").ClickAsync();
        await ScoredAsync(tab, Voice);
        await ScoredAsync(tab, Together);
        await Expect(tab.Page.Locator("thead").GetByText("Camera off")).ToBeVisibleAsync();

        await tab.Button("Stop microphone").ClickAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToHaveTextAsync("The microphone is off.");
        await Expect(tab.Page.Locator("[data-connection=off]")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Live_CameraOnly_ShowsScores()
    {
        Assert.SkipUnless(PageFixture.FindsFaces, "AFFECT_YUNET is not set");
        await using var tab = await fixture.OpenAsync("/");
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Page.Locator(".stage .face")).ToHaveCountAsync(1);
        await ScoredAsync(tab, Face);
        await ScoredAsync(tab, Together);
        await Expect(tab.Page.Locator("thead").GetByText("Microphone off")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Live_ServerRestarts_ResumesCall()
    {
        fixture.SkipIfMissing();
        await using var host = await AffectHost.StartAsync();
        await using var tab = await fixture.OpenAsync("/", host.Gateway.HttpAddress, script: Sent);
        tab.Expect("WebSocket connection");
        tab.Expect("ERR_CONNECTION_REFUSED");
        await tab.Button("Use microphone").ClickAsync();
        // Late enough for a checkpoint.
        await UntilAsync(async () => await SlicesAsync(tab) >= 14);

        await host.Gateway.StopAsync();
        await host.Fusion.StopAsync();
        await Expect(tab.Page.Locator("[data-connection=lost]")).ToBeVisibleAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("The connection to the server is lost");
        await host.Fusion.StartAsync();
        await host.Gateway.StartAsync();

        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("Nothing is missing");
        var slices = await SlicesAsync(tab);
        await UntilAsync(async () => await SlicesAsync(tab) > slices + 4);
        // The same call; no window is missing or repeated.
        var configurations = await tab.Page.EvaluateAsync<string[]>("sent.filter(text => text.includes('session_id'))");
        Assert.Contains("\"resume\":", configurations[^1], StringComparison.Ordinal);
        Assert.Single(configurations.Select(text => Session().Match(text).Value).Distinct());
        var counts = await tab.Page.EvaluateAsync<double[]>("[document.querySelector('.ribbon').dataset.slices, ...windows].map(Number)");
        var ends = counts[1..].Distinct().ToArray();
        Assert.Equal(ends.Length, counts[0]);
        Assert.Equal(ends.Length, 1 + (int)Math.Round((ends.Max() - ends.Min()) / 0.5));
    }

    [Fact]
    public async Task Live_PermissionDenied_ExplainsWhatToDo()
    {
        await using var browser = await fixture.LaunchAsync("--use-fake-ui-for-media-stream=deny");
        await using var tab = await fixture.OpenAsync("/", browser: browser);
        foreach (var device in (string[])["microphone", "camera"])
        {
            await tab.Button($"Use {device}").ClickAsync();
            await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync($"not allowed to use the {device}");
            await Expect(tab.Button($"Use {device}")).ToBeEnabledAsync();
        }
    }

    [Fact]
    public async Task Live_CameraDisconnected_KeepsMicrophone()
    {
        await using var tab = await fixture.OpenAsync("/", script: Tracks);
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Button("Stop camera")).ToBeVisibleAsync();
        await tab.Button("Use microphone").ClickAsync();
        await ScoredAsync(tab, Voice);

        await tab.Page.EvaluateAsync("tracks.filter(track => track.kind === 'video').forEach(track => track.dispatchEvent(new Event('ended')))");

        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("The camera was disconnected");
        await Expect(tab.Button("Use camera")).ToBeEnabledAsync();
        await ScoredAsync(tab, Voice);
    }

    [Fact]
    public async Task Live_ModelSelected_IsUsed()
    {
        await using var tab = await fixture.OpenAsync("/models", script: Sent);
        await tab.Button("Use on Live: cnn-gru").ClickAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Live" }).ClickAsync();
        await Expect(tab.Page.GetByLabel("Voice model")).ToHaveValueAsync("cnn-gru");
        await tab.Button("Use microphone").ClickAsync();
        await Expect(tab.Page.Locator("[data-connection=on]")).ToBeVisibleAsync();
        Assert.Contains("\"speech_model\":\"cnn-gru\"", await tab.Page.EvaluateAsync<string>("sent[0]"), StringComparison.Ordinal);

        await tab.Page.GetByLabel("Voice model").SelectOptionAsync("cnn");
        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("The model has changed");
        await ScoredAsync(tab, Voice);
    }

    [Fact]
    public async Task Live_OneHourOfResults_MemoryIsBounded()
    {
        await using var tab = await fixture.OpenAsync("/", script: Hour);
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Page.Locator("[data-connection=on]")).ToBeVisibleAsync();
        var devtools = await tab.Page.Context.NewCDPSessionAsync(tab.Page);
        await devtools.SendAsync("Performance.enable");

        // Ten minutes first, which fill all bounded buffers.
        var before = await AnswerAsync(1_200);
        var after = await AnswerAsync(7_200);

        Assert.Equal(before.Nodes, after.Nodes, 100.0);
        Assert.InRange(after.Heap, 0, before.Heap + 1_000_000);

        async Task<(double Nodes, double Heap)> AnswerAsync(int windows)
        {
            await tab.Page.EvaluateAsync("answer", windows);
            await devtools.SendAsync("HeapProfiler.collectGarbage");
            var metrics = (await devtools.SendAsync("Performance.getMetrics"))!.Value.GetProperty("metrics").EnumerateArray()
                .ToDictionary(metric => metric.GetProperty("name").GetString()!, metric => metric.GetProperty("value").GetDouble());
            return (metrics["Nodes"], metrics["JSHeapUsedSize"]);
        }
    }

    /// <summary>Records the text messages that the page sends and the ends of the windows that it receives.</summary>
    private const string Sent = """
        window.sent = []; window.windows = [];
        window.WebSocket = class extends WebSocket {
          send(data) { if (typeof data === "string") sent.push(data); super.send(data); }
          set onmessage(take) {
            super.onmessage = take && (event => {
              const { window: received } = JSON.parse(event.data);
              if (received) windows.push(parseFloat(received.end));
              take(event);
            });
          }
        };
        """;

    /// <summary>Records the devices that the page opens.</summary>
    private const string Tracks = """
        window.tracks = [];
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async wanted => {
          const stream = await open(wanted);
          tracks.push(...stream.getTracks());
          return stream;
        };
        """;

    /// <summary>
    /// A fake server that is faster than real time: for each second of a call two windows, six frames, and at times an activity,
    /// an alert and a checkpoint.
    /// </summary>
    private const string Hour = """
        const scores = happy => ({ neutral: 0.9 - happy, happy, sad: 0.02, angry: 0.02, fear: 0.02, disgust: 0.02, surprise: 0.02 });
        let socket, sent = 0;
        window.WebSocket = class {
          static CONNECTING = 0; static OPEN = 1;
          readyState = 1; bufferedAmount = 0;
          constructor() { socket = this; setTimeout(() => this.onopen()); }
          send(data) { if (typeof data === "string") this.receive({ started: { session_id: "hour", notice: "", channels: [] } }); }
          close() {}
          receive(message) { this.onmessage({ data: JSON.stringify(message) }); }
        };
        window.answer = async count => {
          for (const last = sent + count; sent < last; sent++) {
            const [start, end] = [`${sent / 2}s`, `${sent / 2 + 3}s`];
            const judgement = { outcome: "OUTCOME_OK", emotion: "EMOTION_HAPPY", confidence: 0.8, scores: scores(0.8 * Math.random()) };
            const face = { judgement, box: { left: 10, top: 10, width: 50, height: 60 }, detection_confidence: 1 };
            socket.receive({ window: { channel: 0, index: `${sent}`, start, end, face: { judgement, frames: 15 }, fused: { judgement }, smoothed: judgement } });
            for (let i = 0; i < 3; i++)
              socket.receive({ frame: { time: `${sent / 2 + i / 10}s`, image: { outcome: "OUTCOME_OK", width: 640, height: 480, faces: Array(1 + sent % 3).fill(face) } } });
            if (sent % 5 === 0) {
              socket.receive({ activity: { channel: 0, segment: { start, end } } });
              socket.receive({ alert: { rule: "angry", channel: 0, state: sent % 10 ? "ALERT_STATE_RAISED" : "ALERT_STATE_CLEARED", time: end, emotion: "EMOTION_ANGRY" } });
              socket.receive({ checkpoint: { audio_position: "0", video_time: end, state: "AAAA" } });
            }
            // Draws as often as on a real page.
            if (sent % 4 === 0)
              await new Promise(requestAnimationFrame);
          }
        };
        """;

    private static Task ScoredAsync(Tab tab, string column) =>
        Expect(tab.Page.Locator($".scores tbody tr:first-child {column}")).ToHaveAttributeAsync("data-score", Score());

    /// <summary>Waits until the bars change.</summary>
    private static async Task MovesAsync(Tab tab)
    {
        var first = await ReadAsync();
        await UntilAsync(async () => await ReadAsync() != first);

        Task<string> ReadAsync() => tab.Page.EvaluateAsync<string>("[...document.querySelectorAll('.bar div')].map(bar => bar.style.transform).join()");
    }

    private static async Task<int> SlicesAsync(Tab tab) => int.Parse((await tab.Page.Locator(".ribbon").GetAttributeAsync("data-slices"))!);

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(PageFixture.Patience);
        while (!await condition())
            await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token);
    }

    [GeneratedRegex(@"^[01]\.\d{4}$")]
    private static partial Regex Score();

    [GeneratedRegex(@"latency \d+ ms after the end of the window")]
    private static partial Regex Latency();

    [GeneratedRegex("web-[a-z0-9]+")]
    private static partial Regex Session();
}
