using System.Diagnostics;
using System.Text.Json;
using Affect.Training.Learning;

namespace Affect.UnitTests.Training;

/// <summary>Training as users start it, in a process of its own, which the system ends without a word.</summary>
public sealed class KilledProcessTests : IDisposable
{
    private const int Killed = 128 + 9, Edge = 48, Emotions = 7;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-killed-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_process_that_is_killed_in_the_middle_of_an_epoch_and_started_again_ends_where_it_would_have_ended()
    {
        Torch.Require();
        WriteFaces();
        await TrainAsync("straight");

        using (var process = Start("killed"))
        {
            // The checkpoint of the first epoch lies there as soon as the second begins, which takes some seconds.
            for (var waited = Stopwatch.StartNew(); !File.Exists(PathOf("killed", "checkpoint")) && !process.HasExited;)
            {
                Assert.True(waited.Elapsed < Patience, "no checkpoint");
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }
            await Task.Delay(200, TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(Killed, process.ExitCode);
        }
        Assert.Single(State("killed").History);
        await TrainAsync("killed");

        Assert.Equal(2, State("killed").History.Count);
        Assert.Equal(State("straight").History, State("killed").History);
        Assert.Equal(await BytesAsync("straight", "checkpoint"), await BytesAsync("killed", "checkpoint"));
        Assert.Equal(await BytesAsync("straight", "best"), await BytesAsync("killed", "best"));
    }

    // Three steps an epoch: each emotion is a bright row in noise.
    private void WriteFaces()
    {
        var random = new Random(1);
        Directory.CreateDirectory(Path.Combine(_folder, "data", "fer2013"));
        using var table = File.CreateText(Path.Combine(_folder, "data", "fer2013", "fer2013.csv"));
        table.WriteLine("emotion,pixels,Usage");
        foreach (var (usage, count) in new[] { ("Training", 3 * 96), ("PublicTest", 2 * Emotions), ("PrivateTest", Emotions) })
            for (var row = 0; row < count; row++)
            {
                var pixels = Enumerable.Range(0, Edge * Edge).Select(i => random.Next(100) + (i / Edge / 6 == row % Emotions ? 100 : 0));
                table.WriteLine($"{row % Emotions},{string.Join(' ', pixels)},{usage}");
            }
    }

    private async Task TrainAsync(string run)
    {
        using var process = Start(run);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    private Process Start(string run)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Affect.Training.dll");
        var process = Process.Start(new ProcessStartInfo("dotnet",
        [
            program, "train", "--model", "custom-cnn", "--epochs", "2", "--threads", "1",
            "--data", Path.Combine(_folder, "data"), "--run", Path.Combine(_folder, run),
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // Nobody reads them, but a full pipe would stop the process.
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private RunState State(string run) => JsonSerializer.Deserialize<RunState>(SafeTensors.ReadMetadata(PathOf(run, "checkpoint")))!;

    private Task<byte[]> BytesAsync(string run, string file) => File.ReadAllBytesAsync(PathOf(run, file), TestContext.Current.CancellationToken);

    private string PathOf(string run, string file) => Path.Combine(_folder, run, "custom-cnn-fer2013-official", file + ".safetensors");
}
