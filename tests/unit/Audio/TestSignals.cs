namespace Affect.UnitTests.Audio;

/// <summary>Signals that are the same in every run.</summary>
internal static class TestSignals
{
    /// <summary>White Gaussian noise of the given RMS.</summary>
    public static float[] Noise(int length, float rms, int seed = 1)
    {
        var random = new Random(seed);
        var noise = new float[length];
        foreach (ref var sample in noise.AsSpan())
            sample = (float)(rms * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return noise;
    }

    public static float[] Sine(double hertz, int sampleRate, int length, float amplitude = 0.5f)
    {
        var sine = new float[length];
        for (var i = 0; i < length; i++)
            sine[i] = (float)(amplitude * Math.Sin(2 * Math.PI * hertz * i / sampleRate));
        return sine;
    }
}
