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
    public void Append_AngerRisesAndFalls_RaisesOneAlertAndClearsIt()
    {
        Append(20, Calm);
        Append(30, Angry);
        var raised = Assert.Single(_alerts);
        Assert.Equal(("angry", AlertState.Raised, Emotion.Angry, 3), (raised.Rule, raised.State, raised.Emotion, raised.Channel));
        Assert.All(raised.Evidence, evidence => Assert.True(evidence.Score >= 0.6));
        Assert.Equal(6, (raised.Time.ToTimeSpan() - raised.Evidence[0].End.ToTimeSpan()).TotalSeconds, 1e-6);
        Assert.Equal(raised.Time, raised.Evidence[^1].End);

        Append(30, Calm);
        Assert.Equal([AlertState.Raised, AlertState.Cleared], _alerts.Select(alert => alert.State));
    }

    [Fact]
    public void Append_ScoreOscillatesAroundTheThreshold_RaisesOneAlert()
    {
        Append(20, Angry);
        for (var i = 0; i < 20; i++)
        {
            Append(1, Calm);
            Append(2, Angry);
        }
        Assert.Single(_alerts);
    }

    [Fact]
    public void Append_BriefAnger_RaisesNoAlert()
    {
        Append(10, Calm);
        Append(3, Angry);
        Append(10, Calm);
        Assert.Empty(_alerts);
    }

    [Fact]
    public void Append_RisingSadness_RaisesAnAlertWithTheMinimumAsEvidence()
    {
        Append(30, Calm);
        Append(15, Sad);
        var raised = Assert.Single(_alerts);
        Assert.Equal("saddening", raised.Rule);
        Assert.True(raised.Evidence[0].Score + 0.4 <= raised.Evidence[1].Score);
        Assert.True(raised.Evidence[0].End.ToTimeSpan() < raised.Evidence[1].End.ToTimeSpan());

        // Sad from the start on, nothing rises.
        Append(200, Sad);
        Append(2, null);
        Assert.Equal(AlertState.Cleared, _alerts[^1].State);
        Assert.Equal(2, _alerts.Count);
    }

    [Fact]
    public void Append_DisabledRule_RaisesNoAlert()
    {
        _options.Alerts["angry"].Enabled = false;
        Append(30, Angry);
        Assert.Empty(_alerts);
    }

    [Fact]
    public void Append_LongCall_KeepsArcAndStateBounded()
    {
        for (var i = 0; i < 1_800; i++)
        {
            Append(3, Calm);
            Append(3, Angry);
        }
        var summary = _timeline.Summarize(Outcome.NoSpeech);
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
    public void Append_RestoredState_ContinuesIdentically()
    {
        Append(10, Calm);
        Append(10, Angry);
        var resumed = new EmotionTimeline(TimelineState.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteString(_state)), _options, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1));
        for (var i = 0; i < 10; i++)
        {
            var (here, there) = (Window(i % 2 == 0 ? Sad : null), Window(i % 2 == 0 ? Sad : null));
            _windows++;
            Assert.Equal(_timeline.Append(here), resumed.Append(there));
            Assert.Equal(here, there);
        }
        Assert.Equal(_timeline.Summarize(Outcome.NoSpeech), resumed.Summarize(Outcome.NoSpeech));
    }

    [Fact]
    public void Summarize_NoScores_HasNoEmotion()
    {
        Append(3, null);
        var summary = _timeline.Summarize(Outcome.NoSpeech);
        Assert.Equal((3, 0, 3), (summary.Windows, summary.Scored, summary.Empty));
        Assert.Equal(new Judgement { Outcome = Outcome.NoSpeech }, summary.Judgement);
        Assert.All(summary.Arc, point => Assert.Null(point.Scores));
    }

    private void Append(int count, EmotionScores? scores)
    {
        for (var i = 0; i < count; i++)
        {
            _alerts.AddRange(_timeline.Append(Window(scores)));
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
