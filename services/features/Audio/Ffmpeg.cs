using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;

namespace Affect.Features.Audio;

/// <summary>
/// Decodes files with the ffmpeg program: a child process that communicates through pipes only, without files,
/// network or environment variables, with a limit of memory, and is killed at its time limit.
/// </summary>
internal sealed partial class Ffmpeg
{
    /// <summary>
    /// Largest memory of ffmpeg in bytes (RLIMIT_DATA), of which it takes 70 MB for any file. Tables and metadata of a file of 30 MB
    /// otherwise take up to 650 MB.
    /// </summary>
    private const int MaxData = 176 << 20;

    // Numbers of resources on Linux, and the error that says that the process has ended.
    private const int CpuLimit = 0, DataLimit = 2, NoSuchProcess = 3;

    private readonly string? _program;
    private readonly FeaturesOptions _options;
    private readonly TimeProvider _time;

    public Ffmpeg(IOptions<FeaturesOptions> options, TimeProvider time)
    {
        _options = options.Value;
        _time = time;
        _program = Find(_options.FfmpegPath);
    }

    public bool IsInstalled => _program is not null;

    /// <summary>Runs ffmpeg.</summary>
    /// <param name="arguments">The input, which must be <c>pipe:0</c> with a fixed demuxer, and the output, <c>pipe:1</c>.</param>
    /// <param name="input">The parts of the file that ffmpeg gets, in this order.</param>
    /// <param name="read">Reads the output, in a bounded amount of memory.</param>
    /// <param name="cancellationToken">Kills ffmpeg.</param>
    /// <exception cref="TimeoutException">The file takes too long to decode. The message is safe to return to the client.</exception>
    /// <exception cref="DecoderMissingException">ffmpeg is not installed.</exception>
    /// <exception cref="BusyException">Decoding timed out because the machine is overloaded.</exception>
    public Task<T> RunAsync<T>(
        IEnumerable<string> arguments, IEnumerable<ReadOnlyMemory<byte>> input, Func<Stream, CancellationToken, Task<T>> read,
        CancellationToken cancellationToken) =>
        RunAsync(arguments, input, read, (log, stop) => log.CopyToAsync(Stream.Null, stop), cancellationToken);

    /// <param name="arguments">The input, which must be <c>pipe:0</c> with a fixed demuxer, and the output, <c>pipe:1</c>.</param>
    /// <param name="input">The parts of the file that ffmpeg gets, in this order.</param>
    /// <param name="read">Reads the output, in a bounded amount of memory.</param>
    /// <param name="readLog">Reads the log, which contains text of the file, to its end, in a bounded amount of memory.</param>
    /// <param name="cancellationToken">Kills ffmpeg.</param>
    /// <inheritdoc cref="RunAsync{T}(IEnumerable{string}, IEnumerable{ReadOnlyMemory{byte}}, Func{Stream, CancellationToken, Task{T}}, CancellationToken)"/>
    public async Task<T> RunAsync<T>(
        IEnumerable<string> arguments, IEnumerable<ReadOnlyMemory<byte>> input, Func<Stream, CancellationToken, Task<T>> read,
        Func<Stream, CancellationToken, Task> readLog, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.DecodeTimeout, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        using var process = Start(arguments);
        try
        {
            var feed = FeedAsync(process, input, stop.Token);
            var log = readLog(process.StandardError.BaseStream, stop.Token);
            var result = await read(process.StandardOutput.BaseStream, stop.Token);
            await Task.WhenAll(feed, log, process.WaitForExitAsync(stop.Token));
            return result;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // If the child used a core most of the time, the file is at fault; otherwise the machine is overloaded.
            throw UsedProcessor(process, _options.DecodeTimeout / 2)
                ? new TimeoutException($"must take at most {_options.DecodeTimeout.TotalSeconds} s to decode")
                : new BusyException();
        }
        finally
        {
            // Stops the child and the tasks that feed and read it, also after an exception.
            await stop.CancelAsync();
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static bool UsedProcessor(Process process, TimeSpan time)
    {
        try
        {
            return process.TotalProcessorTime >= time;
        }
        catch (InvalidOperationException)
        {
            return false; // the process has just exited
        }
    }

    private static string? Find(string program)
    {
        if (program.Contains('/'))
            return File.Exists(program) ? Path.GetFullPath(program) : null;
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);
    }

    private Process Start(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(_program ?? throw new DecoderMissingException())
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = "/",
        };
        start.Environment.Clear();

        string[] sandbox = ["-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1", "-protocol_whitelist", "pipe"];
        foreach (var argument in sandbox.Concat(arguments))
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        try
        {
            // ffmpeg has not read any byte of the file yet.
            Limit(process, DataLimit, MaxData);
            Limit(process, CpuLimit, (ulong)_options.DecodeTimeout.TotalSeconds + 1);
            return process;
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }
    }

    private static void Limit(Process process, int resource, ulong limit)
    {
        if (OperatingSystem.IsLinux() && SetLimit(process.Id, resource, [limit, limit], 0) != 0
            && Marshal.GetLastPInvokeError() is var error and not NoSuchProcess)
            throw new Win32Exception(error);
    }

    /// <summary>Sets the limits of a resource of another process.</summary>
    [LibraryImport("libc", EntryPoint = "prlimit", SetLastError = true)]
    private static partial int SetLimit(int process, int resource, ReadOnlySpan<ulong> softAndHard, nint previous);

    private static async Task FeedAsync(
        Process process, IEnumerable<ReadOnlyMemory<byte>> parts, CancellationToken cancellationToken)
    {
        try
        {
            await using var input = process.StandardInput.BaseStream;
            foreach (var part in parts)
                await input.WriteAsync(part, cancellationToken);
        }
        catch (IOException)
        {
            // ffmpeg has closed its input: it has read enough, or failed. Its output shows which.
        }
    }
}

/// <summary>The file needs ffmpeg, which is not installed.</summary>
internal sealed class DecoderMissingException : Exception;

/// <summary>ffmpeg timed out because this machine is overloaded; a retry may succeed.</summary>
internal sealed class BusyException : Exception;
