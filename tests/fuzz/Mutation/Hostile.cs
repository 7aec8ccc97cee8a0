using System.Text;

namespace Affect.Fuzz.Mutation;

/// <summary>Values at the edges of types, and a few choices of a generator.</summary>
internal static class Hostile
{
    public static readonly long[] Integers =
    [
        0, 1, -1, 7, 8, 9, 127, 128, 255, 256, 7_999, 8_000, 48_000, 48_001, 65_535, 65_536,
        1 << 20, 86_400, 86_401, int.MaxValue, int.MinValue,
        uint.MaxValue, 315_576_000_000, 315_576_000_001, -315_576_000_001, 1L << 40, 1L << 53, 1L << 62, long.MaxValue, long.MinValue,
    ];

    public static readonly double[] Doubles =
        [0, -0.0, 1, -1, 1e-45, 1e-308, 1e30, 1e300, float.MaxValue, double.MaxValue, double.NaN,
            double.PositiveInfinity, double.NegativeInfinity];

    public static readonly string[] Strings =
    [
        "", " ", "\0", "a\0b", "\r\nX-Injected: 1", "\u001b[31mred", "../../../etc/passwd", "%00%0d%0a", "%n%s{0}", "nonsuch",
        "tiny-speech",
        "\u202Ereversed", "\uFFFF", "e\u0301", "💥", new('x', 129), new('x', 5_000), new('é', 8_000), new('x', 20_000), new('\u0001', 3_000),
    ];

    /// <summary>JSON values, most of them invalid.</summary>
    public static readonly byte[][] Json =
    [
        .. ((string[])
        [
            "null", "true", "[]", "{}", "\"\"", "0", "-0", "-1", "1.5", "1e999", "-1e-999", "1E400", "9223372036854775808",
            "18446744073709551616", "00", "+1", ".5", "1.",
            "NaN", "Infinity", "nul", "'a'", "/**/1", "1,", "\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\x\"",
            "\"\\u12\"", "\"\n\"",
            "\"4611686018427387904s\"", "\"-1s\"", "\"1e3s\"", "\"NaNs\"", "\"0.0000000001s\"", "\"315576000001s\"", "\"s\"", "\"1ss\"",
            "\"--1s\"",
            "\"AUDIO_ENCODING_UNSPECIFIED\"", "\"audio_encoding_l16\"", "\"====\"", "\"AA\"", "\"A\"", "\"AA-_\"", "\"A A=\"",
            .. Strings.Select(text => $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\""),
            Repeat("[", 60) + Repeat("]", 60), Repeat("[", 70_000), Repeat("{\"a\":", 63) + "1" + Repeat("}", 63),
            Repeat("{\"audio\":", 5_000),
            "[" + Repeat("{},", 3_000) + "{}]", "[" + Repeat("1,", 3_000) + "1]", "{" + Repeat("\"a\":1,", 3_000) + "\"a\":1}",
            "9" + Repeat("9", 5_000), "0." + Repeat("0", 5_000) + "1",
        ]).Select(Encoding.UTF8.GetBytes),
        [0xFF], [(byte)'"', 0xFF, (byte)'"'], [(byte)'"', 0xC0, 0x80, (byte)'"'],
        [(byte)'"', 0xED, 0xA0, 0x80, (byte)'"'], [0xEF, 0xBB, 0xBF], [],
    ];

    public static string Repeat(string text, int count) => new StringBuilder().Insert(0, text, count).ToString();

    public static bool Chance(this Random random, double probability) => random.NextDouble() < probability;

    public static T Pick<T>(this Random random, IReadOnlyList<T> items) => items[random.Next(items.Count)];

    public static byte[] Bytes(this Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
