using Affect.Audio;

namespace Affect.Features.Audio;

/// <summary>A decoded file.</summary>
/// <param name="Audio">Its channels and rate; from ffmpeg at most 24 kHz.</param>
/// <param name="Track">The track that was decoded.</param>
internal sealed record DecodedAudio(AudioBuffer Audio, AudioTrack Track);

/// <summary>An audio track of a file.</summary>
/// <param name="Index">Index among the audio tracks, from 0.</param>
/// <param name="Count">Number of audio tracks.</param>
internal readonly record struct AudioTrack(int Index, int Count);
