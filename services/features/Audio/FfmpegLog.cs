using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Affect.Features.Audio;

/// <summary>
/// Reads the log of ffmpeg: the start of the file, its audio tracks, and the one that is decoded. It also contains text of the file.
/// <code>
///   Duration: N/A, start: 1.500000, bitrate: N/A
///   Stream #0:1[0x2](und): Audio: aac (LC), 8000 Hz, mono (default)
/// Stream mapping:
///   Stream #0:1 -> #0:0 (aac (native) -> pcm_s16le (native))
/// </code>
/// </summary>
internal sealed partial class FfmpegLog
{
    private const int MaxLine = 512, MaxTracks = 1024;

    private readonly TaskCompletionSource<double> _start = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<int> _tracks = [];
    private int? _decoded;

    /// <summary>The track that is decoded, after the whole log has been read.</summary>
    public AudioTrack Track =>
        _tracks.IndexOf(_decoded ?? -1) is var index and >= 0 ? new(index, _tracks.Count) : new(0, Math.Max(1, _tracks.Count));

    /// <summary>The timestamp of the first packet of any track, in seconds: ffmpeg logs it before it writes samples.</summary>
    public Task<double> StartAsync(CancellationToken cancellationToken) => _start.Task.WaitAsync(cancellationToken);

    /// <summary>Reads the log to its end.</summary>
    public async Task ReadAsync(Stream log, CancellationToken cancellationToken)
    {
        try
        {
            var line = new StringBuilder(MaxLine);
            var bytes = new byte[16 << 10];
            while (await log.ReadAsync(bytes, cancellationToken) is var read and > 0)
                foreach (var value in bytes.AsSpan(0, read))
                {
                    if (value == '\n')
                    {
                        Read(line.ToString());
                        line.Clear();
                    }
                    else if (line.Length < MaxLine)
                    {
                        line.Append((char)value);
                    }
                }
        }
        finally
        {
            _start.TrySetResult(0);
        }
    }

    private void Read(string line)
    {
        if (_decoded is not null)
            return;
        if (Start().Match(line) is { Success: true } start)
        {
            _start.TrySetResult(double.Parse(start.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        }
        else if (AudioStream().Match(line) is { Success: true } track && _tracks.Count < MaxTracks)
        {
            _tracks.Add(int.Parse(track.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        }
        else if (Mapping().Match(line) is { Success: true } mapping)
        {
            _decoded = int.Parse(mapping.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            _start.TrySetResult(0); // a file without timestamps
        }
    }

    [GeneratedRegex(@"^  Duration: .*, start: (-?\d{1,12}\.\d{1,6})")]
    private static partial Regex Start();

    [GeneratedRegex(@"^  Stream #0:(\d{1,6})\b.*?: Audio: ")]
    private static partial Regex AudioStream();

    [GeneratedRegex(@"^  Stream #0:(\d{1,6}) -> #0:0 ")]
    private static partial Regex Mapping();
}
