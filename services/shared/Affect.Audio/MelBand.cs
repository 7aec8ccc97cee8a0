namespace Affect.Audio;

/// <summary>One triangle of a mel filter bank.</summary>
/// <param name="First">First bin with a weight.</param>
/// <param name="Weights">Weights of the bins from there on.</param>
internal readonly record struct MelBand(int First, float[] Weights)
{
    /// <summary>
    /// <c>librosa.filters.mel</c>: triangles that are equally spaced on Slaney's mel scale from 0 Hz to half the sample rate, each of
    /// unit area. Only the bins under each triangle are kept.
    /// </summary>
    /// <param name="count">Number of bands.</param>
    /// <param name="sampleRate">In hertz.</param>
    /// <param name="frameLength">Samples of a frame.</param>
    public static MelBand[] Slaney(int count, int sampleRate, int frameLength)
    {
        var edges = new double[count + 2];
        var highest = HertzToMel(sampleRate / 2.0);
        for (var i = 0; i < edges.Length; i++)
            edges[i] = MelToHertz(highest * i / (edges.Length - 1));

        var bands = new MelBand[count];
        for (var band = 0; band < bands.Length; band++)
        {
            var (low, center, high) = (edges[band], edges[band + 1], edges[band + 2]);
            var weights = new float[(frameLength / 2) + 1];
            for (var bin = 0; bin < weights.Length; bin++)
            {
                var hertz = (double)bin * sampleRate / frameLength;
                var height = Math.Min((hertz - low) / (center - low), (high - hertz) / (high - center));
                weights[bin] = (float)(Math.Max(0, height) * 2 / (high - low));
            }

            var first = Array.FindIndex(weights, weight => weight > 0);
            var last = Array.FindLastIndex(weights, weight => weight > 0);
            bands[band] = new MelBand(first, weights[first..(last + 1)]);
        }

        return bands;
    }

    /// <summary>Slaney's scale (Auditory Toolbox, 1998; librosa's htk=False): linear to 1 kHz, then 27 steps to each factor of 6.4.</summary>
    private static double HertzToMel(double hertz) =>
        hertz < 1000 ? hertz * 3 / 200 : 15 + (27 * Math.Log(hertz / 1000) / Math.Log(6.4));

    private static double MelToHertz(double mel) =>
        mel < 15 ? mel * 200 / 3 : 1000 * Math.Pow(6.4, (mel - 15) / 27);
}
