using System.Diagnostics;
using Affect.Testing;

namespace Affect.UnitTests.Features;

/// <summary>Audio files that ffmpeg writes for the tests.</summary>
internal static class TestAudio
{
    /// <summary>True if ffmpeg is on the path.</summary>
    public static bool HasFfmpeg { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "ffmpeg")));

    /// <summary>The golden speech in another container.</summary>
    /// <param name="extension">Extension of the container: "flac", "opus", "webm".</param>
    /// <param name="options">Options of ffmpeg between input and output.</param>
    public static byte[] Speech(string extension, params string[] options) =>
        Run(extension, ["-i", TestMedia.FixturePath("golden/speech.wav"), .. options]);

    /// <summary>The output of ffmpeg.</summary>
    /// <param name="extension">Extension of the output.</param>
    /// <param name="options">All options before the output.</param>
    public static byte[] Run(string extension, params string[] options)
    {
        var file = Path.Combine(Path.GetTempPath(), $"affect-{Guid.NewGuid():N}.{extension}");
        try
        {
            using var process = Process.Start("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", .. options, file]);
            process.WaitForExit();
            return process.ExitCode == 0 ? File.ReadAllBytes(file) : throw new InvalidOperationException($"ffmpeg must be able to write {extension}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
