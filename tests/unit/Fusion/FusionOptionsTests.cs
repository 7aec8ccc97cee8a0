using Affect.Fusion;

namespace Affect.UnitTests.Fusion;

public sealed class FusionOptionsTests
{
    [Fact]
    public void Validate_Defaults_Succeeds() => Assert.True(Validate(new()).Succeeded);

    [Fact]
    public void Validate_SeveralErrors_ReportsAll()
    {
        var result = Validate(new()
        {
            FeaturesAddress = "features:8081",
            ModalityTimeout = TimeSpan.Zero,
            MaxClips = 0,
            Prior = new() { ["happy"] = 1, ["sad"] = -1, ["calm"] = 1 },
        });

        Assert.True(result.Failed);
        foreach (var error in (string[])["features:8081", "ModalityTimeout", "MaxClips", "'sad'", "'neutral'", "'calm'"])
            Assert.Contains(result.Failures!, failure => failure.Contains(error, StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_BothWeightsZero_Fails() =>
        Assert.Contains(Validate(new() { SpeechWeight = 0, FaceWeight = 0 }).Failures!, failure => failure.Contains("SpeechWeight", StringComparison.Ordinal));

    [Theory]
    [InlineData("")]
    [InlineData("not base64")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")] // 31 bytes
    public void Validate_CheckpointKeyInvalid_FailsWithoutShowingIt(string key)
    {
        var failure = Assert.Single(Validate(new() { CheckpointKeys = [Convert.ToBase64String(new byte[32]), key] }).Failures!);

        Assert.Contains("CheckpointKeys:1", failure, StringComparison.Ordinal);
        Assert.True(key.Length == 0 || !failure.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_TooManyCheckpointKeys_Fails() =>
        Assert.True(Validate(new() { CheckpointKeys = [.. Enumerable.Repeat(Convert.ToBase64String(new byte[32]), 17)] }).Failed);

    [Fact]
    public void PriorScores_AnyWeights_SumToOne()
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
