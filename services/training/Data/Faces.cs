using Affect.Emotions;

namespace Affect.Training.Data;

/// <summary>Gray face images with values from 0 to 255.</summary>
/// <param name="images">Images of 48×48 pixels.</param>
/// <param name="labels">Labels of the images.</param>
/// <param name="channels">Number of channels of the model input, which are filled with the same values.</param>
internal sealed class Faces(byte[][] images, Emotion[] labels, int channels) : Samples
{
    private const int Edge = Fer2013.Edge;

    public override int Count => images.Length;

    public override Emotion Label(int index) => labels[index];

    /// <summary>
    /// Writes the image to each channel. An augmented image has the size of <paramref name="destination"/>, which may be
    /// smaller than the original.
    /// </summary>
    public override void Fill(int index, Augmentation? augmentation, Span<float> destination)
    {
        var image = images[index];
        var channel = destination[..(destination.Length / channels)];
        if (augmentation is { } change)
            Augment(image, (int)Math.Sqrt(channel.Length), change, channel);
        else
            for (var i = 0; i < image.Length; i++)
                channel[i] = image[i];
        for (var i = 1; i < channels; i++)
            channel.CopyTo(destination[(i * channel.Length)..]);
    }

    public override IEnumerable<float[]> Windows(int index) =>
        [[.. Enumerable.Repeat(images[index], channels).SelectMany(image => image).Select(pixel => (float)pixel)]];

    public override ReadOnlySpan<byte> Content(int index) => images[index];

    // Horizontal flip, rotation by up to 10°, scaling by up to 10 %, translation by up to 3 pixels (more for smaller
    // images), brightness, contrast and, with strong augmentation, random erasing with a probability of 1/4
    // (Zhong et al. 2020). A smaller image is partly cropped and partly downscaled.
    private static void Augment(byte[] image, int edge, Augmentation augmentation, Span<float> destination)
    {
        var random = augmentation.Random;
        var strength = augmentation.Weak ? 0.4f : 1;
        var view = MathF.Sqrt((float)Edge / edge);
        var angle = strength * random.NextSingle(-10, 10) * MathF.PI / 180;
        var scale = view * (1 + strength * random.NextSingle(-0.1f, 0.1f));
        var (sin, cos) = (MathF.Sin(angle) * scale, MathF.Cos(angle) * scale);
        var reach = 3 + (Edge - edge * view) / 4;
        var (shiftX, shiftY) = (strength * random.NextSingle(-reach, reach), strength * random.NextSingle(-reach, reach));
        var mirror = random.Next(2) == 0 ? -1 : 1;
        var contrast = 1 + strength * random.NextSingle(-0.25f, 0.25f);
        var brightness = strength * random.NextSingle(-25, 25);
        const float SourceCenter = (Edge - 1) / 2f;
        var center = (edge - 1) / 2f;
        for (var y = 0; y < edge; y++)
            for (var x = 0; x < edge; x++)
            {
                var (dx, dy) = ((x - center) * mirror, y - center);
                var value = Bilinear(image, cos * dx - sin * dy + SourceCenter + shiftX, sin * dx + cos * dy + SourceCenter + shiftY);
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

    // Bilinear interpolation; the border pixels are repeated outside the image.
    private static float Bilinear(byte[] image, float x, float y)
    {
        x = Math.Clamp(x, 0, Edge - 1);
        y = Math.Clamp(y, 0, Edge - 1);
        var (left, top) = ((int)x, (int)y);
        var (right, bottom) = (Math.Min(left + 1, Edge - 1), Math.Min(top + 1, Edge - 1));
        var (fx, fy) = (x - left, y - top);
        var upper = image[top * Edge + left] * (1 - fx) + image[top * Edge + right] * fx;
        var lower = image[bottom * Edge + left] * (1 - fx) + image[bottom * Edge + right] * fx;
        return upper * (1 - fy) + lower * fy;
    }
}
