namespace Affect.Features.Pictures;

/// <summary>
/// The file is not a usable picture. The message says what it must be, and is safe to return to the client.
/// </summary>
internal sealed class PictureFormatException(string message) : Exception(message);
