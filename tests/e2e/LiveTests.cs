using System.Text.RegularExpressions;
using Affect.Testing;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>The Live page with a microphone and a camera that are fed from files.</summary>
public sealed partial class LiveTests(PageFixture fixture)
{
    private const string Voice = "td:nth-child(2)", Face = "td:nth-child(3)", Together = "td:nth-child(4)";

    [Fact]
    public async Task Voice_and_face_are_told_as_one_and_the_time_line_grows()
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
    public async Task A_microphone_alone_is_enough()
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
    public async Task A_camera_alone_is_enough()
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
    public async Task A_call_goes_on_where_it_broke_off_when_the_server_restarts()
    {
        fixture.SkipWhereMissing();
        await using var host = await AffectHost.StartAsync();
        await using var tab = await fixture.OpenAsync("/", host.Gateway.HttpAddress, script: Sent);
        tab.Expect("WebSocket connection");
        tab.Expect("ERR_CONNECTION_REFUSED");
        await tab.Button("Use microphone").ClickAsync();
        // A checkpoint has come by then.
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
        // It is the same call, and neither a window of it is missing nor one there twice.
        var configurations = await tab.Page.EvaluateAsync<string[]>("sent.filter(text => text.includes('session_id'))");
        Assert.Contains("\"resume\":", configurations[^1], StringComparison.Ordinal);
        Assert.Single(configurations.Select(text => Session().Match(text).Value).Distinct());
        var told = await tab.Page.EvaluateAsync<double[]>("[document.querySelector('.ribbon').dataset.slices, ...windows].map(Number)");
        var ends = told[1..].Distinct().ToArray();
        Assert.Equal(ends.Length, told[0]);
        Assert.Equal(ends.Length, 1 + (int)Math.Round((ends.Max() - ends.Min()) / 0.5));
    }

    [Fact]
    public async Task Who_refuses_a_device_is_told_what_to_do()
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
    public async Task A_device_that_goes_away_leaves_the_other_one_on()
    {
        await using var tab = await fixture.OpenAsync("/", script: Tracks);
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Button("Stop camera")).ToBeVisibleAsync();
        await tab.Button("Use microphone").ClickAsync();
        await ScoredAsync(tab, Voice);

        await tab.Page.EvaluateAsync("tracks.filter(track => track.kind === 'video').forEach(track => track.dispatchEvent(new Event('ended')))");

        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("The camera went away");
        await Expect(tab.Button("Use camera")).ToBeEnabledAsync();
        await ScoredAsync(tab, Voice);
    }

    [Fact]
    public async Task The_model_that_is_chosen_answers()
    {
        await using var tab = await fixture.OpenAsync("/models", script: Sent);
        await tab.Button("Use on Live: cnn-gru").ClickAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Live" }).ClickAsync();
        await Expect(tab.Page.GetByLabel("Voice model")).ToHaveValueAsync("cnn-gru");
        await tab.Button("Use microphone").ClickAsync();
        await Expect(tab.Page.Locator("[data-connection=on]")).ToBeVisibleAsync();
        Assert.Contains("\"speech_model\":\"cnn-gru\"", await tab.Page.EvaluateAsync<string>("sent[0]"), StringComparison.Ordinal);

        await tab.Page.GetByLabel("Voice model").SelectOptionAsync("cnn");
        await Expect(tab.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("Another model answers");
        await ScoredAsync(tab, Voice);
    }

    [Fact]
    public async Task An_hour_of_answers_leaves_the_page_no_larger()
    {
        await using var tab = await fixture.OpenAsync("/", script: Hour);
        await tab.Button("Use camera").ClickAsync();
        await Expect(tab.Page.Locator("[data-connection=on]")).ToBeVisibleAsync();
        var devtools = await tab.Page.Context.NewCDPSessionAsync(tab.Page);
        await devtools.SendAsync("Performance.enable");

        // Ten minutes first, in which all that is bounded fills up.
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

    /// <summary>Keeps what the page sends as text, and the ends of windows that come.</summary>
    private const string Sent = """
        window.sent = []; window.windows = [];
        window.WebSocket = class extends WebSocket {
          send(data) { if (typeof data === "string") sent.push(data); super.send(data); }
          set onmessage(take) {
            super.onmessage = take && (event => {
              const { window: told } = JSON.parse(event.data);
              if (told) windows.push(parseFloat(told.end));
              take(event);
            });
          }
        };
        """;

    /// <summary>Keeps the devices that the page opens.</summary>
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
    /// A server that answers faster than time goes: two windows, five frames and now and then an activity, an alert and a
    /// checkpoint for each second of a call. A fake, for an hour of the real one lasts an hour.
    /// </summary>
    private const string Hour = """
        const scores = happy => ({ neutral: 0.9 - happy, happy, sad: 0.02, angry: 0.02, fear: 0.02, disgust: 0.02, surprise: 0.02 });
        let socket, told = 0;
        window.WebSocket = class {
          static CONNECTING = 0; static OPEN = 1;
          readyState = 1; bufferedAmount = 0;
          constructor() { socket = this; setTimeout(() => this.onopen()); }
          send(data) { if (typeof data === "string") this.tell({ started: { session_id: "hour", notice: "", channels: [] } }); }
          close() {}
          tell(message) { this.onmessage({ data: JSON.stringify(message) }); }
        };
        window.answer = async count => {
          for (const last = told + count; told < last; told++) {
            const [start, end] = [`${told / 2}s`, `${told / 2 + 3}s`];
            const judgement = { outcome: "OUTCOME_OK", emotion: "EMOTION_HAPPY", confidence: 0.8, scores: scores(0.8 * Math.random()) };
            const face = { judgement, box: { left: 10, top: 10, width: 50, height: 60 }, detection_confidence: 1 };
            socket.tell({ window: { channel: 0, index: `${told}`, start, end, face: { judgement, frames: 15 }, fused: { judgement }, smoothed: judgement } });
            for (let i = 0; i < 3; i++)
              socket.tell({ frame: { time: `${told / 2 + i / 10}s`, image: { outcome: "OUTCOME_OK", width: 640, height: 480, faces: Array(1 + told % 3).fill(face) } } });
            if (told % 5 === 0) {
              socket.tell({ activity: { channel: 0, segment: { start, end } } });
              socket.tell({ alert: { rule: "angry", channel: 0, state: told % 10 ? "ALERT_STATE_RAISED" : "ALERT_STATE_CLEARED", time: end, emotion: "EMOTION_ANGRY" } });
              socket.tell({ checkpoint: { audio_position: "0", video_time: end, state: "AAAA" } });
            }
            // Drawn as often as on a real page.
            if (told % 4 === 0)
              await new Promise(requestAnimationFrame);
          }
        };
        """;

    private static Task ScoredAsync(Tab tab, string column) =>
        Expect(tab.Page.Locator($".scores tbody tr:first-child {column}")).ToHaveAttributeAsync("data-score", Score());

    /// <summary>Bars move with windows.</summary>
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

    [GeneratedRegex(@"answered \d+ ms after the window's end")]
    private static partial Regex Latency();

    [GeneratedRegex("web-[a-z0-9]+")]
    private static partial Regex Session();
}
