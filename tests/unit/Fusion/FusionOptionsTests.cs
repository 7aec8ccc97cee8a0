using Affect.Fusion;

namespace Affect.UnitTests.Fusion;

public sealed class FusionOptionsTests
{
    [Fact]
    public void Defaults_are_valid() => Assert.True(Validate(new()).Succeeded);

    [Fact]
    public void Every_mistake_is_named()
    {
        var result = Validate(new()
        {
            FeaturesAddress = "features:8081",
            ModalityTimeout = TimeSpan.Zero,
            MaxClips = 0,
            Prior = new() { ["happy"] = 1, ["sad"] = -1, ["calm"] = 1 },
        });

        Assert.True(result.Failed);
        foreach (var mistake in (string[])["features:8081", "ModalityTimeout", "MaxClips", "'sad'", "'neutral'", "'calm'"])
            Assert.Contains(result.Failures!, failure => failure.Contains(mistake, StringComparison.Ordinal));
    }

    [Fact]
    public void Weights_of_zero_weigh_nothing() =>
        Assert.Contains(Validate(new() { SpeechWeight = 0, FaceWeight = 0 }).Failures!, failure => failure.Contains("SpeechWeight", StringComparison.Ordinal));

    [Fact]
    public void A_prior_is_scaled_to_sum_to_one()
    {
        var options = new FusionOptions
        {
            Prior = new() { ["neutral"] = 4, ["happy"] = 1, ["sad"] = 1, ["angry"] = 1, ["fear"] = 1, ["disgust"] = 1, ["surprise"] = 1 },
        };

        Assert.True(Validate(options).Succeeded);
        Assert.Equal(0.4f, options.PriorScores[0], 1e-6f);
    }

    private static Microsoft.Extensions.Options.ValidateOptionsResult Validate(FusionOptions options) =>
        new FusionOptionsValidator().Validate(null, options);
}
