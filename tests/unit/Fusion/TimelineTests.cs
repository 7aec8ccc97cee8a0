using Affect.Fusion;
using Affect.Fusion.Timeline;
using Affect.Fusion.V1;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;
using Domain = Affect.Emotions;

namespace Affect.UnitTests.Fusion;

public sealed class TimelineTests
{
    private static readonly EmotionScores Angry = Domain.EmotionScores.FromWeights([1, 1, 1, 30, 1, 1, 1]).ToProto();
    private static readonly EmotionScores Calm = Domain.EmotionScores.FromWeights([30, 1, 1, 1, 1, 1, 1]).ToProto();
    private static readonly EmotionScores Sad = Domain.EmotionScores.FromWeights([1, 1, 30, 1, 1, 1, 1]).ToProto();

    private readonly FusionOptions _options = new();
    private readonly TimelineState _state = new();
    private readonly EmotionTimeline _timeline;
    private readonly List<Alert> _alerts = [];
    private int _windows;

    public TimelineTests() => _timeline = new(_state, _options, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1));

    [Fact]
    public void An_angry_customer_raises_an_alert_once_and_calming_down_clears_it()
    {
        Take(20, Calm);
        Take(30, Angry);
        var raised = Assert.Single(_alerts);
        Assert.Equal(("angry", AlertState.Raised, Emotion.Angry, 3), (raised.Rule, raised.State, raised.Emotion, raised.Channel));
        Assert.All(raised.Evidence, evidence => Assert.True(evidence.Score >= 0.6));
        Assert.Equal(6, (raised.Time.ToTimeSpan() - raised.Evidence[0].End.ToTimeSpan()).TotalSeconds, 1e-6);
        Assert.Equal(raised.Time, raised.Evidence[^1].End);

        Take(30, Calm);
        Assert.Equal([AlertState.Raised, AlertState.Cleared], _alerts.Select(alert => alert.State));
    }

    [Fact]
    public void What_swings_about_the_threshold_raises_one_alert()
    {
        Take(20, Angry);
        for (var i = 0; i < 20; i++)
        {
            Take(1, Calm);
            Take(2, Angry);
        }
        Assert.Single(_alerts);
    }

    [Fact]
    public void A_flash_of_anger_raises_none()
    {
        Take(10, Calm);
        Take(3, Angry);
        Take(10, Calm);
        Assert.Empty(_alerts);
    }

    [Fact]
    public void Sadness_that_rises_raises_an_alert_with_the_lowest_point_as_evidence()
    {
        Take(30, Calm);
        Take(15, Sad);
        var raised = Assert.Single(_alerts);
        Assert.Equal("saddening", raised.Rule);
        Assert.True(raised.Evidence[0].Score + 0.4 <= raised.Evidence[1].Score);
        Assert.True(raised.Evidence[0].End.ToTimeSpan() < raised.Evidence[1].End.ToTimeSpan());

        // Sad from the start on, nothing rises.
        Take(200, Sad);
        Take(2, null);
        Assert.Equal(AlertState.Cleared, _alerts[^1].State);
        Assert.Equal(2, _alerts.Count);
    }

    [Fact]
    public void A_rule_that_is_off_says_nothing()
    {
        _options.Alerts["angry"].Enabled = false;
        Take(30, Angry);
        Assert.Empty(_alerts);
    }

    [Fact]
    public void However_long_the_call_its_arc_stays_short_and_its_state_small()
    {
        for (var i = 0; i < 1_800; i++)
        {
            Take(3, Calm);
            Take(3, Angry);
        }
        var summary = _timeline.Summarise(Outcome.NoSpeech);
        Assert.InRange(summary.Arc.Count, 60, EmotionTimeline.MaxStretches);
        Assert.Equal(0, summary.Arc[0].Start.ToTimeSpan().TotalSeconds);
        Assert.Equal(10_802, summary.Arc[^1].End.ToTimeSpan().TotalSeconds, 1e-6);
        foreach (var (one, next) in summary.Arc.Zip(summary.Arc.Skip(1)))
            Assert.Equal(one.End, next.Start);
        Assert.Equal(10_800, _state.Arc.Sum(stretch => stretch.Count));
        Assert.InRange(_state.CalculateSize(), 1, 16_384);
        Assert.Equal(10_800, summary.Scored);
        Assert.Equal(summary.Judgement.Scores.Angry, summary.Arc.Average(point => point.Scores.Angry), 0.02);
    }

    [Fact]
    public void A_time_line_goes_on_from_its_state()
    {
        Take(10, Calm);
        Take(10, Angry);
        var resumed = new EmotionTimeline(TimelineState.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteString(_state)), _options, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1));
        for (var i = 0; i < 10; i++)
        {
            var (here, there) = (Window(i % 2 == 0 ? Sad : null), Window(i % 2 == 0 ? Sad : null));
            _windows++;
            Assert.Equal(_timeline.Take(here), resumed.Take(there));
            Assert.Equal(here, there);
        }
        Assert.Equal(_timeline.Summarise(Outcome.NoSpeech), resumed.Summarise(Outcome.NoSpeech));
    }

    [Fact]
    public void Without_scores_there_is_no_verdict()
    {
        Take(3, null);
        var summary = _timeline.Summarise(Outcome.NoSpeech);
        Assert.Equal((3, 0, 3), (summary.Windows, summary.Scored, summary.Empty));
        Assert.Equal(new Judgement { Outcome = Outcome.NoSpeech }, summary.Judgement);
        Assert.All(summary.Arc, point => Assert.Null(point.Scores));
    }

    private void Take(int count, EmotionScores? scores)
    {
        for (var i = 0; i < count; i++)
        {
            _alerts.AddRange(_timeline.Take(Window(scores)));
            _windows++;
        }
    }

    private StreamWindow Window(EmotionScores? scores) => new()
    {
        Channel = 3,
        Index = _windows,
        Start = Duration.FromTimeSpan(TimeSpan.FromSeconds(_windows)),
        End = Duration.FromTimeSpan(TimeSpan.FromSeconds(_windows + 3)),
        Fused = new() { Judgement = new() { Outcome = scores is null ? Outcome.NoSpeech : Outcome.Ok, Scores = scores } },
    };
}
