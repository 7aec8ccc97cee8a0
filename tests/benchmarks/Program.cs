using System.CommandLine;
using Affect.Benchmarks;
using Affect.Inference;
using BenchmarkDotNet.Running;

// dotnet run -c Release --project tests/benchmarks -- --filter '*FrontEnd*'
// dotnet run -c Release --project tests/benchmarks -- batcher [--models PATH] [--seconds N] [--rounds N]
// dotnet run -c Release --project tests/benchmarks -- make-calls|calls|bytes --help
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
    case ["make-calls" or "calls" or "bytes", ..]:
        return await new RootCommand { CallRecipe.Create(), CallsBenchmark.Create(), BytesBenchmark.Create() }.Parse(args).InvokeAsync();
    default:
        BenchmarkSwitcher.FromAssembly(typeof(BatcherBenchmark).Assembly).Run(args);
        return 0;
}
