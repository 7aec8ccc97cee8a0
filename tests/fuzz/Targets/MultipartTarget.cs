using System.Text;
using Affect.Fuzz.Mutation;

namespace Affect.Fuzz.Targets;

/// <summary>Multipart bodies of POST /v1/analyze: parts, their headers, and boundaries.</summary>
internal static class MultipartTarget
{
    private static readonly string[] Names =
    [
        "audio", "image", "images", "speech_model", "face_model", "hop", "text", "", "\"", "a\0b", "image[0]", "__proto__", "é",
        new('x', 20_000),
    ];

    private static readonly string[] Boundaries =
    [
        "b", "\"b\"", "", "\"\"", "b;charset=utf-8", "\"b b\"", "\"--b\"", "--", "é", "\"", new('b', 69), new('b', 70), new('b', 71),
        new('b', 128), new('b', 5_000), "b\t", "a, b",
    ];

    private static readonly string[] Headers =
    [
        "Content-Type: audio/wav", "Content-Type: application/json; charset=utf-7", "Content-Disposition: form-data",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=hop", "X: " + new string('x', 17_000), "X", ": x", "Content-Disposition: ;;;=",
        "Content-Disposition: form-data; name*=utf-8''%ff",
    ];

    private static readonly string[] Hops =
    [
        "1", "0.5s", "1.5", "-1", "0", "11", "1e3", "NaN", "99999999999999999999999999999", "79228162514264337593543950335",
        "0.00000000000000001", "1s s",
    ];

    public static Case Create(Random random)
    {
        var clip = random.Pick(Seeds.Clips);
        List<Part> parts =
        [
            new("audio", clip.Audio.ToByteArray()), .. clip.Images.Select(image => new Part("image", image.ToByteArray())),
            new("hop", Encoding.UTF8.GetBytes(random.Pick(Hops))), new("face_model", [.. "tiny-face"u8]),
        ];
        parts = Sequence.Mutate(random, parts, part => random.Next(4) switch
        {
            0 => part with { Name = random.Pick(Names) },
            1 => part with { Content = Encoding.UTF8.GetBytes(random.Pick(Hostile.Strings)) },
            2 => part with { Headers = [.. Enumerable.Repeat(random.Pick(Headers), random.Pick([1, 1, 2, 20]))] },
            _ => part with { Content = Bytes.Mutate(random, part.Content) },
        });

        var boundary = random.Chance(0.8) ? "b" : random.Pick(Boundaries);
        var unquoted = boundary.Trim('"');
        byte[] body = [.. parts.SelectMany(part => part.Encode(unquoted)), .. Encoding.UTF8.GetBytes($"--{unquoted}--\r\n")];
        if (random.Chance(0.2))
            body = Bytes.Mutate(random, body);
        return Http1.Post("/v1/analyze", body, $"Content-Type: multipart/form-data; boundary={boundary}");
    }

    private sealed record Part(string Name, byte[] Content)
    {
        public string[] Headers { get; init; } = [];

        public byte[] Encode(string boundary) =>
        [
            .. Encoding.UTF8.GetBytes(string.Join(
                "\r\n", [$"--{boundary}", $"Content-Disposition: form-data; name=\"{Name}\"", .. Headers, "", ""])),
            .. Content, .. "\r\n"u8,
        ];
    }
}
