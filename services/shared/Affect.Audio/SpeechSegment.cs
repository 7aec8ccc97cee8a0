namespace Affect.Audio;

/// <summary>A stretch in which somebody speaks, in samples of the signal it was found in.</summary>
/// <param name="Start">Its first sample.</param>
/// <param name="End">The sample behind its last.</param>
public readonly record struct SpeechSegment(long Start, long End)
{
    public long Length => End - Start;

    public TimeSpan StartTime(int sampleRate) => TimeSpan.FromSeconds((double)Start / sampleRate);

    public TimeSpan EndTime(int sampleRate) => TimeSpan.FromSeconds((double)End / sampleRate);
}
