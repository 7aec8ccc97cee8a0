using Affect.Audio;
using Affect.Testing;

namespace Affect.UnitTests.Audio;

public sealed class G711Tests
{
    [Fact]
    public void Decode_CodesOfTheStandard_GiveItsValues()
    {
        // ITU-T G.711, tables 1a to 2b, scaled from 13 and 14 bits to 16.
        Assert.Equal(8, G711.DecodeALaw(0xD5));
        Assert.Equal(-8, G711.DecodeALaw(0x55));
        Assert.Equal(32256, G711.DecodeALaw(0xAA));
        Assert.Equal(-32256, G711.DecodeALaw(0x2A));
        Assert.Equal(0, G711.DecodeMuLaw(0xFF));
        Assert.Equal(0, G711.DecodeMuLaw(0x7F));
        Assert.Equal(32124, G711.DecodeMuLaw(0x80));
        Assert.Equal(-32124, G711.DecodeMuLaw(0x00));
    }

    [Fact]
    public void Encode_DecodedCode_GivesTheCode()
    {
        for (var code = 0; code < 256; code++)
        {
            Assert.Equal(code, G711.EncodeALaw(G711.DecodeALaw((byte)code)));
            if (code != 0x7F) // minus zero, which decodes to the same value as plus zero
                Assert.Equal(code, G711.EncodeMuLaw(G711.DecodeMuLaw((byte)code)));
        }
    }

    [Fact]
    public void Encode_AnySample_EqualsTheReferenceCode()
    {
        var samples = Enumerable.Range(short.MinValue, 65536).Select(value => value / 32768f).ToArray();
        var aLaw = new WavFile { Samples = samples, Encoding = WavEncoding.ALaw }.ToBytes().AsSpan()[^samples.Length..];
        var muLaw = new WavFile { Samples = samples, Encoding = WavEncoding.MuLaw }.ToBytes().AsSpan()[^samples.Length..];
        for (var i = 0; i < samples.Length; i++)
        {
            var value = (short)(short.MinValue + i);
            Assert.Equal(aLaw[i], G711.EncodeALaw(value));
            Assert.Equal(muLaw[i], G711.EncodeMuLaw(value));
        }
    }

    [Fact]
    public void RoundTrip_SpeechLevels_KeepsSignalToNoiseRatio()
    {
        foreach (var amplitude in new[] { 0.9f, 0.1f, 0.03f })
        {
            var sine = TestMedia.Sine(1000, 1, 8000, amplitude);
            var muLaw = (float[])sine.Clone();
            var aLaw = (float[])sine.Clone();
            G711.RoundTripMuLaw(muLaw);
            G711.RoundTripALaw(aLaw);
            Assert.InRange(Snr(sine, muLaw), 35, 45);
            Assert.InRange(Snr(sine, aLaw), 35, 45);
        }
    }

    private static double Snr(float[] signal, float[] noisy)
    {
        var noise = signal.Zip(noisy, (a, b) => (double)(a - b) * (a - b)).Sum();
        return 10 * Math.Log10(signal.Sum(sample => (double)sample * sample) / noise);
    }
}
