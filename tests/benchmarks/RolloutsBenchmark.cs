using System.CommandLine;
using Affect.Testing;

namespace Affect.Benchmarks;

/// <summary>
/// <c>rollouts</c>: calls while every service is restarted repeatedly behind changing DNS, each as a rolling update of Kubernetes does it.
/// </summary>
internal static class RolloutsBenchmark
{
    private static readonly Option<int> Calls = new("--calls") { Description = "Concurrent calls", DefaultValueFactory = _ => 40 };
    private static readonly Option<int> Restarts = new("--restarts") { Description = "Rolling updates of each service", DefaultValueFactory = _ => 10 };
    private static readonly Option<int[]> Replicas = new("--replicas") { Description = "Processes of each service; each number is measured", DefaultValueFactory = _ => [1, 2] };
    private static readonly Option<string[]> Services = new("--services")
    {
        Description = "Services to restart",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => ["Features", "Speech", "Face", "Fusion", "Gateway"],
    };

    private static readonly Option<double> Cache = new("--cache") { Description = "Seconds until DNS returns a change", DefaultValueFactory = _ => 2 };
    private static readonly Option<double> Drain = new("--drain") { Description = "Seconds from the change until the old replica is terminated", DefaultValueFactory = _ => 10 };
    private static readonly Option<string?> Recordings = new("--recordings") { Description = "Folder of calls as make-calls writes them; made from --corpus if absent" };
    private static readonly Option<string?> Corpus = new("--corpus") { Description = "Folder of speech recordings [default: $AFFECT_DATA/ravdess]" };

    public static Command Create()
    {
        var command = new Command("rollouts", "Calls ended, windows lost and the longest gap while services restart behind changing DNS. Requires root.")
        {
            Calls, Restarts, Replicas, Services, Cache, Drain, Recordings, Corpus,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        if (TestNetwork.Obstacle is { } obstacle)
        {
            Console.Error.WriteLine(obstacle);
            return 1;
        }

        var (calls, restarts) = (parsed.GetValue(Calls), parsed.GetValue(Restarts));
        var (cache, drain) = (TimeSpan.FromSeconds(parsed.GetValue(Cache)), TimeSpan.FromSeconds(parsed.GetValue(Drain)));
        var recordings = CallsBenchmark.FindRecordings(parsed.GetValue(Recordings), parsed.GetValue(Corpus));
        Console.WriteLine();
        Console.WriteLine($"{calls} stereo calls, {restarts} rolling updates of each service, DNS {cache.TotalSeconds:0.#} s late, drain of {drain.TotalSeconds:0.#} s");
        Console.WriteLine();
        Console.WriteLine("| replicas | service | calls ended | windows | windows lost | longest gap |");
        Console.WriteLine("| --: | --- | --: | --: | --: | --: |");
        var failed = false;
        foreach (var replicas in parsed.GetRequiredValue(Replicas))
        {
            await using var cluster = await TestCluster.StartAsync(replicas, cancellation);
            foreach (var name in parsed.GetRequiredValue(Services))
            {
                await using var load = CallLoad.Start(cluster, calls, recordings);
                await Task.Delay(TimeSpan.FromSeconds(5), cancellation);
                for (var restart = 0; restart < restarts; restart++)
                    await cluster[name].RestartAsync(cache, drain, cancellation);
                await Task.Delay(TimeSpan.FromSeconds(5), cancellation);
                var report = await load.StopAsync(cancellation);
                Console.WriteLine($"| {replicas} | {name} | {report.Ended} | {report.Expected} | {report.Lost} | {report.LongestGap.TotalSeconds:0.0} s |");
                if (report.Ended > 0)
                    Console.Error.WriteLine(report.Errors);
                failed |= report.Ended > 0 || report.Lost > 0;
            }
        }

        return failed ? 1 : 0;
    }
}
