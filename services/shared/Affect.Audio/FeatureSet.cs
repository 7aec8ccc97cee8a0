namespace Affect.Audio;

/// <summary>Values of each frame, in this order: 2,048 samples every 512 at 22,050 Hz, but for <see cref="WhisperLogMel"/>.</summary>
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

    /// <summary>Whisper's log-mel spectrogram at a fixed speech level (<see cref="Audio.WhisperLogMel"/>): 80 values every 10 ms.</summary>
    WhisperLogMel,
}
