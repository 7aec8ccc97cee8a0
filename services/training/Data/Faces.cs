using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Grey square pictures of faces; values from 0 to 255.</summary>
internal sealed class Faces(byte[][] pictures, Emotion[] labels) : Samples
{
    private const int Edge = Fer2013.Edge;

    public override int Count => pictures.Length;

    public override Emotion Label(int index) => labels[index];

    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var picture = pictures[index];
        if (augmentation is { } change)
            Augment(picture, change.Random, change.Gentle ? 0.4f : 1, destination);
        else
            for (var i = 0; i < picture.Length; i++)
                destination[i] = picture[i];
    }

    public override IEnumerable<float[]> Windows(int index) => [Array.ConvertAll(pictures[index], pixel => (float)pixel)];

    // Mirror, turn by up to 10°, scale by up to 10 %, shift by up to 3 pixels, brightness and contrast,
    // and at full strength in one of four a rectangle of noise (random erasing, Zhong et al. 2020).
    private static void Augment(byte[] picture, Random random, float strength, Span<float> destination)
    {
        var angle = strength * Between(random, -10, 10) * MathF.PI / 180;
        var scale = 1 + strength * Between(random, -0.1f, 0.1f);
        var (sin, cos) = (MathF.Sin(angle) * scale, MathF.Cos(angle) * scale);
        var (shiftX, shiftY) = (strength * Between(random, -3, 3), strength * Between(random, -3, 3));
        var mirror = random.Next(2) == 0 ? -1 : 1;
        var contrast = 1 + strength * Between(random, -0.25f, 0.25f);
        var brightness = strength * Between(random, -25, 25);
        const float Centre = (Edge - 1) / 2f;
        for (var y = 0; y < Edge; y++)
            for (var x = 0; x < Edge; x++)
            {
                var (dx, dy) = ((x - Centre) * mirror, y - Centre);
                var value = Bilinear(picture, cos * dx - sin * dy + Centre + shiftX, sin * dx + cos * dy + Centre + shiftY);
                destination[y * Edge + x] = Math.Clamp((value - 128) * contrast + 128 + brightness, 0, 255);
            }
        if (strength == 1 && random.Next(4) == 0)
        {
            var (width, height) = (random.Next(6, 20), random.Next(6, 20));
            var (left, top) = (random.Next(Edge - width), random.Next(Edge - height));
            for (var y = top; y < top + height; y++)
                for (var x = left; x < left + width; x++)
                    destination[y * Edge + x] = random.Next(256);
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
