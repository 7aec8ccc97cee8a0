namespace Affect.Audio;

/// <summary>Values of each frame (2,048 samples, every 512), in this order.</summary>
public enum FeatureSet
{
    /// <summary>40 MFCC, zero-crossing rate, RMS: 42 values.</summary>
    MfccZcrRms,

    /// <summary>40 MFCC, their 40 deltas, zero-crossing rate, RMS: 82 values.</summary>
    MfccDeltaZcrRms,

    /// <summary>The mel spectrogram in dB: 128 values.</summary>
    LogMel,

    /// <summary>The mel spectrogram in dB, zero-crossing rate, RMS: 130 values.</summary>
    LogMelZcrRms,
}
