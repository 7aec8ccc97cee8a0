namespace Affect.Audio;

/// <summary>
/// The file or chunk is not usable audio. The message says what it must be, and is safe to return to the client.
/// </summary>
public sealed class AudioFormatException(string message) : Exception(message);
