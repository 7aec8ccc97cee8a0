namespace Affect.Audio;

/// <summary>A segment of speech, in samples of its signal.</summary>
/// <param name="Start">First sample.</param>
/// <param name="End">One past the last sample.</param>
public readonly record struct SpeechSegment(long Start, long End)
{
    public long Length => End - Start;

    public TimeSpan StartTime(int sampleRate) => TimeSpan.FromSeconds((double)Start / sampleRate);

    public TimeSpan EndTime(int sampleRate) => TimeSpan.FromSeconds((double)End / sampleRate);
}
