using System.Diagnostics;
using System.Text.Json;
using Affect.Training.Learning;

namespace Affect.UnitTests.Training;

/// <summary>Training in a separate process that is killed.</summary>
public sealed class KilledProcessTests : IDisposable
{
    private const int Killed = 128 + 9, Edge = 48, Emotions = 7;

    /// <summary>Vote columns of FER+ by the label numbers of FER2013.</summary>
    private static readonly int[] VotedColumn = [4, 5, 6, 1, 3, 2, 0];

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-killed-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Train_ProcessKilledDuringEpoch_ResumesToSameBytes()
    {
        Torch.Require();
        WriteFaces();
        await TrainAsync("straight");

        using (var process = Start("killed"))
        {
            // The checkpoint of the first epoch is written before the second epoch, which takes seconds.
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
        Assert.Single(State(PathOf("killed", "checkpoint")).History);
        await TrainAsync("killed");

        Assert.Equal(2, State(PathOf("killed", "checkpoint")).History.Count);
        Assert.Equal(State(PathOf("straight", "checkpoint")).History, State(PathOf("killed", "checkpoint")).History);
        Assert.Equal(await BytesAsync("straight", "checkpoint"), await BytesAsync("killed", "checkpoint"));
        Assert.Equal(await BytesAsync("straight", "best"), await BytesAsync("killed", "best"));
    }

    [Fact]
    public async Task Train_RecipeWithPrecedingRuns_TrainsThemInOrder()
    {
        Torch.Require();
        WriteFaces();
        WriteVotes();

        await TrainAsync("stages", "se-resnet", epochs: 1);

        var (last, second, first) = (Stage(""), Stage("previous"), Stage("previous", "previous"));
        Assert.Equal((second.Recipe, first.Recipe),
            (last.Recipe.InitializeFrom! with { Epochs = 1 }, second.Recipe.InitializeFrom! with { Epochs = 1 }));
        Assert.Null(first.Recipe.InitializeFrom);
        Assert.True(second.History[0].ValidationLoss < first.History[0].ValidationLoss,
            $"{first.History[0]} {second.History[0]} {last.History[0]}");
        Assert.True(last.History[0].ValidationLoss < second.History[0].ValidationLoss,
            $"{first.History[0]} {second.History[0]} {last.History[0]}");

        RunState Stage(params string[] parts) => State(
            Path.Combine([_folder, "stages", "se-resnet-fer2013-official", .. parts, "checkpoint.safetensors"]));
    }

    // Three steps per epoch; each emotion is a bright row in noise.
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

    // All votes are for the label.
    private void WriteVotes()
    {
        using var table = File.CreateText(Path.Combine(_folder, "data", "fer2013", "fer2013new.csv"));
        table.WriteLine("Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF");
        foreach (var line in File.ReadLines(Path.Combine(_folder, "data", "fer2013", "fer2013.csv")).Skip(1))
        {
            var votes = new int[10];
            votes[VotedColumn[line[0] - '0']] = 10;
            table.WriteLine($"{line[(line.LastIndexOf(',') + 1)..]},,{string.Join(',', votes)}");
        }
    }

    private async Task TrainAsync(string run, string model = "custom-cnn", int epochs = 2)
    {
        using var process = Start(run, model, epochs);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    private Process Start(string run, string model = "custom-cnn", int epochs = 2)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Affect.Training.dll");
        var process = Process.Start(new ProcessStartInfo("dotnet",
        [
            program, "train", "--model", model, "--epochs", $"{epochs}", "--threads", "1",
            "--data", Path.Combine(_folder, "data"), "--run", Path.Combine(_folder, run), "--models",
            Path.Combine(AppContext.BaseDirectory, "models"),
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // A full pipe would block the process.
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static RunState State(string path) => JsonSerializer.Deserialize<RunState>(SafeTensors.ReadMetadata(path))!;

    private Task<byte[]> BytesAsync(string run, string file) =>
        File.ReadAllBytesAsync(PathOf(run, file), TestContext.Current.CancellationToken);

    private string PathOf(string run, string file) => Path.Combine(_folder, run, "custom-cnn-fer2013-official", file + ".safetensors");
}
