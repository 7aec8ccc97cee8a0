using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Affect.Classifier.V1;
using Affect.Inference;
using Affect.Inference.Grpc;
using Google.Protobuf;
using Grpc.Net.Client;

namespace Affect.Benchmarks;

/// <summary>
/// The cost of gRPC and the batcher on top of the model: 64 callers over loopback against the real service in one process, and bare
/// ONNX Runtime in another, which computes batches of the sizes that the service computed, with the same settings. CPU time is
/// compared because the callers share the machine. The two alternate, so that other load on the machine affects both.
/// </summary>
internal static class BatcherBenchmark
{
    private const int Callers = 64;
    private const double Goal = 1.25;

    private static readonly TimeSpan WarmUpSlice = TimeSpan.FromSeconds(2);

    /// <summary>Runs the benchmark for the default model of each modality and prints one table.</summary>
    /// <param name="args">[--models PATH] [--seconds N] [--rounds N]</param>
    /// <returns>0 if the goal is reached, otherwise 1.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var models = Path.GetFullPath(Option("--models") ?? FindModels());
        var seconds = TimeSpan.FromSeconds(int.Parse(Option("--seconds") ?? "8"));
        var rounds = int.Parse(Option("--rounds") ?? "3");

        var results = new List<Result>();
        foreach (var modality in Enum.GetValues<Modality>())
            results.Add(await MeasureAsync(modality, models, seconds, rounds));

        Console.WriteLine();
        Console.WriteLine($"{Callers} callers, gRPC over loopback, {rounds} rounds of {seconds.TotalSeconds} s, {Environment.ProcessorCount} cores");
        Console.WriteLine();
        Console.WriteLine("| model | batch | CPU/inference, service | bare ONNX Runtime | ratio (≤ 1.25) | saturated | p50 | p99 | half of it | p50 | p99 |");
        Console.WriteLine("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
        foreach (var r in results)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {r.Model} | {r.BatchSize:F1} | {r.ServiceCpu.TotalMilliseconds:F3} ms | {r.BareCpu.TotalMilliseconds:F3} ms | **{r.Ratio:F3}** " +
                $"| {r.Saturated.Rate:F0}/s | {r.Saturated.P50:F1} ms | {r.Saturated.P99:F1} ms " +
                $"| {r.Half.Rate:F0}/s | {r.Half.P50:F1} ms | {r.Half.P99:F1} ms |"));
        return results.All(result => result.Ratio <= Goal) ? 0 : 1;

        string? Option(string name) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;
    }

    private static async Task<Result> MeasureAsync(Modality modality, string models, TimeSpan seconds, int rounds)
    {
        using var service = await Child.StartAsync("batcher-service", modality.ToString(), models);
        using var bare = await Child.StartAsync("batcher-bare", modality.ToString(), models);
        var (address, manifest) = (service.Greeting, ReadDefault(models, modality));
        using var channel = GrpcChannel.ForAddress(address);
        var classify = Caller(channel, modality, Input(manifest));

        await WarmUpAsync(service, classify);
        await bare.AskAsync(Sizes([Callers / 2], TimeSpan.FromSeconds(1)));
        await service.AskAsync("batches");

        var (serviceCpu, bareCpu) = (TimeSpan.Zero, TimeSpan.Zero);
        var (inferences, bareInferences, batches) = (0L, 0L, 0L);
        var latencies = new List<double>();
        var elapsed = TimeSpan.Zero;
        for (var round = 1; round <= rounds; round++)
        {
            var (before, started) = (service.CpuTime, Stopwatch.GetTimestamp());
            latencies.AddRange(await SaturateAsync(classify, seconds));
            elapsed += Stopwatch.GetElapsedTime(started);
            var serviceSpent = service.CpuTime - before;
            var sizes = JsonSerializer.Deserialize<int[]>(await service.AskAsync("batches"))!;

            before = bare.CpuTime;
            var bareDone = long.Parse(await bare.AskAsync(Sizes(sizes, seconds)));
            var bareSpent = bare.CpuTime - before;

            serviceCpu += serviceSpent;
            bareCpu += bareSpent;
            inferences += sizes.Sum();
            bareInferences += bareDone;
            batches += sizes.Length;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{manifest.Name} {round}/{rounds}: {(serviceSpent / sizes.Sum()).TotalMilliseconds:F3} ms, bare " +
                $"{(bareSpent / bareDone).TotalMilliseconds:F3} ms; batches by size {Histogram(sizes)}"));
        }
        var saturated = Load.Of(latencies, elapsed);

        var startedHalf = Stopwatch.GetTimestamp();
        var half = await PaceAsync(classify, saturated.Rate / 2, seconds);
        return new Result(
            manifest.Name, (double)inferences / batches, serviceCpu / inferences, bareCpu / bareInferences,
            saturated, Load.Of(half, Stopwatch.GetElapsedTime(startedHalf)));

        static string Sizes(int[] sizes, TimeSpan duration) => JsonSerializer.Serialize(new BareRuntime.Work(sizes, duration.TotalSeconds));
    }

    /// <summary>Sends requests until tiered compilation takes less than 1 % of the service's CPU time.</summary>
    private static async Task WarmUpAsync(Child service, Func<Task> classify)
    {
        TimeSpan compiled, spent;
        do
        {
            var (compiledBefore, spentBefore) = (await CompilationAsync(), service.CpuTime);
            await SaturateAsync(classify, WarmUpSlice);
            (compiled, spent) = (await CompilationAsync() - compiledBefore, service.CpuTime - spentBefore);
        }
        while (compiled > spent / 100);

        async Task<TimeSpan> CompilationAsync() => TimeSpan.Parse(await service.AskAsync("compilation"));
    }

    private static string Histogram(int[] sizes) =>
        string.Join(' ', sizes.CountBy(size => size).OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}:{pair.Value}"));

    /// <summary>Every caller sends its next request when it has the answer to the last.</summary>
    private static async Task<List<double>> SaturateAsync(Func<Task> classify, TimeSpan duration)
    {
        var end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var callers = Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            var latencies = new List<double>();
            while (Stopwatch.GetTimestamp() is var sent && sent < end)
            {
                await classify();
                latencies.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
            }
            return latencies;
        }));
        return [.. (await Task.WhenAll(callers)).SelectMany(latencies => latencies)];
    }

    /// <summary>Sends requests at a given rate, independent of the answers (open loop). Latency counts from the time at which each is due.</summary>
    private static async Task<List<double>> PaceAsync(Func<Task> classify, double rate, TimeSpan duration)
    {
        var started = Stopwatch.GetTimestamp();
        var sent = new List<Task<double>>();
        for (var i = 0; i < rate * duration.TotalSeconds; i++)
        {
            var due = started + (long)(i / rate * Stopwatch.Frequency);
            while (Stopwatch.GetTimestamp() < due)
                await Task.Delay(1);
            sent.Add(SendAsync(due));
        }
        return [.. await Task.WhenAll(sent)];

        async Task<double> SendAsync(long due)
        {
            await classify();
            return Stopwatch.GetElapsedTime(due).TotalMilliseconds;
        }
    }

    private static Func<Task> Caller(GrpcChannel channel, Modality modality, ByteString input)
    {
        var client = new ClassifierService.ClassifierServiceClient(channel);
        var request = new ClassifyRequest { Modality = modality.ToProto(), Input = input };
        return async () => await client.ClassifyAsync(request);
    }

    /// <summary>Noise like the model's training data: normal with its mean and scale for speech, any gray for faces.</summary>
    internal static ByteString Input(ModelManifest manifest)
    {
        var random = new Random(1);
        var (channels, positions) = (manifest.Input.Channels, manifest.Input.Positions);
        if (manifest.Modality == Modality.Face)
        {
            var pixels = new byte[positions * channels];
            random.NextBytes(pixels);
            return UnsafeByteOperations.UnsafeWrap(pixels);
        }
        var bytes = new byte[positions * channels * sizeof(float)];
        for (var i = 0; i < positions * channels; i++)
        {
            var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            var mean = manifest.Input.Mean[i % manifest.Input.Mean.Count];
            var scale = manifest.Input.Scale[i % manifest.Input.Scale.Count];
            BitConverter.TryWriteBytes(bytes.AsSpan(i * sizeof(float)), (float)(mean + scale * normal));
        }
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    internal static ModelManifest ReadDefault(string models, Modality modality) =>
        Directory.EnumerateFiles(models, "manifest.json", SearchOption.AllDirectories)
            .Select(path => JsonSerializer.Deserialize<ModelManifest>(File.ReadAllBytes(path), ModelManifest.Json)!)
            .Single(manifest => manifest.Modality == modality && manifest.Default);

    internal static string FindModels()
    {
        for (var folder = new DirectoryInfo(Environment.CurrentDirectory); folder is not null; folder = folder.Parent)
            if (Path.Combine(folder.FullName, "services", "models") is var models && Directory.Exists(models))
                return models;
        throw new DirectoryNotFoundException("services/models was not found in the current folder or above; --models names it.");
    }

    private sealed record Result(string Model, double BatchSize, TimeSpan ServiceCpu, TimeSpan BareCpu, Load Saturated, Load Half)
    {
        public double Ratio => ServiceCpu / BareCpu;
    }

    private sealed record Load(double Rate, double P50, double P99)
    {
        public static Load Of(List<double> latencies, TimeSpan elapsed)
        {
            latencies.Sort();
            return new Load(latencies.Count / elapsed.TotalSeconds, latencies[latencies.Count / 2], latencies[latencies.Count * 99 / 100]);
        }
    }

    /// <summary>This program with another verb: prints one line when it is ready, then answers each line with a line.</summary>
    private sealed class Child : IDisposable
    {
        private readonly Process _process;

        private Child(Process process, string greeting)
        {
            _process = process;
            Greeting = greeting;
        }

        public string Greeting { get; }

        public TimeSpan CpuTime
        {
            get
            {
                _process.Refresh();
                return _process.TotalProcessorTime;
            }
        }

        public static async Task<Child> StartAsync(params string[] args)
        {
            var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, args)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
            return new Child(process, await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("A child ended early."));
        }

        public async Task<string> AskAsync(string question)
        {
            await _process.StandardInput.WriteLineAsync(question);
            return await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("A child ended early.");
        }

        public void Dispose()
        {
            _process.StandardInput.Close(); // which ends it
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
