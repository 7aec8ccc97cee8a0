using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Runtime;
using System.Text.Json;
using Affect.Face;
using Affect.Hosting;
using Affect.Inference;
using Affect.Speech;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Affect.Benchmarks;

/// <summary>The real service as a child process: says its address once it is ready, then, when asked, the
/// sizes of its batches since it was last asked ("batches") and the time that the compiler took so far ("compilation").</summary>
internal static class BatcherService
{
    public static async Task RunAsync(Modality modality, string models)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Server:Address"] = "127.0.0.1",
            ["Server:GrpcPort"] = "0",
            [$"{modality}:ModelsPath"] = models,
        });
        // Standard output is for the answers.
        builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.AddAffectDefaults($"affect-{modality}");
        if (modality == Modality.Speech)
            builder.AddSpeech();
        else
            builder.AddFace();
        await using var app = builder.Build();
        app.MapAffectDefaults();
        if (modality == Modality.Speech)
            app.MapSpeech();
        else
            app.MapFace();

        var sizes = new ConcurrentQueue<int>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, meters) =>
        {
            if (instrument.Name == InferenceMetrics.BatchSize)
                meters.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, size, _, _) => sizes.Enqueue(size));
        listener.Start();

        await app.StartAsync();
        var health = app.Services.GetRequiredService<HealthCheckService>();
        while ((await health.CheckHealthAsync()).Status != HealthStatus.Healthy)
            await Task.Delay(50);
        Console.WriteLine(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

        while (Console.ReadLine() is { } question)
        {
            if (question == "compilation")
            {
                Console.WriteLine(JitInfo.GetCompilationTime());
                continue;
            }
            var answer = new List<int>();
            while (sizes.TryDequeue(out var size))
                answer.Add(size);
            Console.WriteLine(JsonSerializer.Serialize(answer));
        }
        await app.StopAsync();
    }
}
