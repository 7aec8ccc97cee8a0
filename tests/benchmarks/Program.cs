using System.CommandLine;
using Affect.Benchmarks;
using Affect.Inference;
using BenchmarkDotNet.Running;

// dotnet run -c Release --project tests/benchmarks -- --filter '*FrontEnd*'
// dotnet run -c Release --project tests/benchmarks -- batcher [--models PATH] [--seconds N] [--rounds N]
// dotnet run -c Release --project tests/benchmarks -- make-calls|calls|bytes|batch|fairness|rollouts --help
switch (args)
{
    case ["batcher", .. var options]:
        return await BatcherBenchmark.RunAsync(options);
    case ["batcher-service", var modality, var models]: // a child of "batcher"
        await BatcherService.RunAsync(Enum.Parse<Modality>(modality), models);
        return 0;
    case ["batcher-bare", var modality, var models]: // another
        BareRuntime.Run(Enum.Parse<Modality>(modality), models);
        return 0;
    case ["fairness-flood", var kind, var address, var http, var key, var recording]: // a child of "fairness"
        await Flood.RunAsync(kind, address, http, key, recording);
        return 0;
    case ["make-calls" or "calls" or "bytes" or "batch" or "fairness" or "rollouts", ..]:
        return await new RootCommand
        {
            CallRecipe.Create(), CallsBenchmark.Create(), BytesBenchmark.Create(), BatchBenchmark.Create(), FairnessBenchmark.Create(), RolloutsBenchmark.Create(),
        }.Parse(args).InvokeAsync();
    default:
        BenchmarkSwitcher.FromAssembly(typeof(BatcherBenchmark).Assembly).Run(args);
        return 0;
}
