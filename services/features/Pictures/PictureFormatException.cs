namespace Affect.Features.Pictures;

/// <summary>
/// The bytes are not a picture that can be used. The message is one short sentence that is safe to show
/// to whoever sent them.
/// </summary>
internal sealed class PictureFormatException(string message) : Exception(message);
