using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Grey square pictures of faces; values from 0 to 255.</summary>
/// <param name="pictures">Of 48×48 values each.</param>
/// <param name="labels">As many labels.</param>
/// <param name="channels">How often a model wants the one channel: 3 where it takes colours.</param>
internal sealed class Faces(byte[][] pictures, Emotion[] labels, int channels) : Samples
{
    private const int Edge = Fer2013.Edge;

    public override int Count => pictures.Length;

    public override Emotion Label(int index) => labels[index];

    /// <summary>
    /// One channel as often as <paramref name="destination"/> has room for. An augmented picture may be smaller than
    /// the whole one: as large as the destination, of which the number of channels must then be known.
    /// </summary>
    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var picture = pictures[index];
        var channel = destination[..(destination.Length / channels)];
        if (augmentation is { } change)
            Augment(picture, (int)Math.Sqrt(channel.Length), change, channel);
        else
            for (var i = 0; i < picture.Length; i++)
                channel[i] = picture[i];
        for (var i = 1; i < channels; i++)
            channel.CopyTo(destination[(i * channel.Length)..]);
    }

    public override IEnumerable<float[]> Windows(int index) => [[.. Enumerable.Repeat(pictures[index], channels).SelectMany(picture => picture).Select(pixel => (float)pixel)]];

    public override ReadOnlySpan<byte> Content(int index) => pictures[index];

    // Mirror, turn by up to 10°, scale by up to 10 %, shift by up to 3 pixels (more where the view is smaller),
    // brightness and contrast, and at full strength in one of four a rectangle of noise (random erasing,
    // Zhong et al. 2020). A small view shows most of the face at nearly its size.
    private static void Augment(byte[] picture, int edge, Augmentation augmentation, Span<float> destination)
    {
        var random = augmentation.Random;
        var strength = augmentation.Gentle ? 0.4f : 1;
        var view = MathF.Sqrt((float)Edge / edge);
        var angle = strength * Between(random, -10, 10) * MathF.PI / 180;
        var scale = view * (1 + strength * Between(random, -0.1f, 0.1f));
        var (sin, cos) = (MathF.Sin(angle) * scale, MathF.Cos(angle) * scale);
        var reach = 3 + (Edge - edge * view) / 4;
        var (shiftX, shiftY) = (strength * Between(random, -reach, reach), strength * Between(random, -reach, reach));
        var mirror = random.Next(2) == 0 ? -1 : 1;
        var contrast = 1 + strength * Between(random, -0.25f, 0.25f);
        var brightness = strength * Between(random, -25, 25);
        const float Centre = (Edge - 1) / 2f;
        var centre = (edge - 1) / 2f;
        for (var y = 0; y < edge; y++)
            for (var x = 0; x < edge; x++)
            {
                var (dx, dy) = ((x - centre) * mirror, y - centre);
                var value = Bilinear(picture, cos * dx - sin * dy + Centre + shiftX, sin * dx + cos * dy + Centre + shiftY);
                destination[y * edge + x] = Math.Clamp((value - 128) * contrast + 128 + brightness, 0, 255);
            }
        if (strength == 1 && random.Next(4) == 0)
        {
            var (width, height) = (random.Next(edge / 8, edge * 2 / 5), random.Next(edge / 8, edge * 2 / 5));
            var (left, top) = (random.Next(edge - width), random.Next(edge - height));
            for (var y = top; y < top + height; y++)
                for (var x = left; x < left + width; x++)
                    destination[y * edge + x] = random.Next(256);
        }
    }

    // Beyond the border the nearest pixel counts.
    private static float Bilinear(byte[] picture, float x, float y)
    {
        x = Math.Clamp(x, 0, Edge - 1);
        y = Math.Clamp(y, 0, Edge - 1);
        var (left, top) = ((int)x, (int)y);
        var (right, bottom) = (Math.Min(left + 1, Edge - 1), Math.Min(top + 1, Edge - 1));
        var (fx, fy) = (x - left, y - top);
        var upper = picture[top * Edge + left] * (1 - fx) + picture[top * Edge + right] * fx;
        var lower = picture[bottom * Edge + left] * (1 - fx) + picture[bottom * Edge + right] * fx;
        return upper * (1 - fy) + lower * fy;
    }

    private static float Between(Random random, float low, float high) => low + (high - low) * random.NextSingle();
}
