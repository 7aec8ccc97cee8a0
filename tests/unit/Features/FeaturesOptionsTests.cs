using Affect.Features;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Features;

public sealed class FeaturesOptionsTests
{
    [Fact]
    public void Validate_Defaults_Succeeds() =>
        Assert.True(new FeaturesOptionsValidator().Validate(null, new FeaturesOptions()).Succeeded);

    [Fact]
    public void MaxConcurrency_Default_FitsIntoHalfOfTheMemory()
    {
        var fits = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 / (300 << 20);
        Assert.InRange(fits, 1, int.MaxValue);
        Assert.Equal(Math.Min(fits, Math.Min(256, Environment.ProcessorCount)), new FeaturesOptions().MaxConcurrency);
    }

    [Fact]
    public void Validate_SeveralErrors_ReportsAll()
    {
        var result = new FeaturesOptionsValidator().Validate(null, new FeaturesOptions
        {
            MinFaceConfidence = 2,
            DetectionEdge = 1,
            MaxFaces = 0,
            FfmpegPath = "",
            DecodeTimeout = TimeSpan.Zero,
            MaxAudioDuration = TimeSpan.FromDays(1),
            MaxConcurrency = 0,
            MaxWaiting = -1,
            MaxPendingBytes = 1,
        });
        Assert.All(
            [
                "MinFaceConfidence", "DetectionEdge", "MaxFaces", "FfmpegPath", "DecodeTimeout", "MaxAudioDuration", "MaxConcurrency",
                "MaxWaiting", "MaxPendingBytes",
            ],
            name => Assert.Contains(result.Failures ?? [], failure => failure.Contains(name)));
    }

    [Fact]
    public void Validate_NoDetector_NamesBothSettings()
    {
        ValidateOptionsResult result = new FeaturesRequirements().Validate(null, new FeaturesOptions
        {
            FaceDetectorPath = "/nowhere/yunet.onnx",
            HaarCascadesPath = "/nowhere",
        });
        var failure = Assert.Single(result.Failures ?? []);
        Assert.Contains("/nowhere/yunet.onnx", failure);
        Assert.Contains("opencv-data", failure);
    }

    [Fact]
    public void Validate_FileIsNotADetector_NamesTheSetting()
    {
        var result = new FeaturesRequirements().Validate(null, new FeaturesOptions { FaceDetectorPath = typeof(FeaturesOptions).Assembly.Location });
        Assert.Contains(result.Failures ?? [], failure => failure.Contains("FaceDetectorPath"));
    }
}
