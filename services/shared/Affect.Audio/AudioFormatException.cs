namespace Affect.Audio;

/// <summary>
/// The bytes are not audio that can be used. The message is one short sentence that is safe to show
/// to whoever sent them.
/// </summary>
public sealed class AudioFormatException(string message) : Exception(message);
