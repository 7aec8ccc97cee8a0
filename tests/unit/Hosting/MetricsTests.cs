using System.Diagnostics.Metrics;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Inference;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.UnitTests.Hosting;

/// <summary>What deploy/observability/README.md says of metrics.</summary>
public sealed class MetricsTests
{
    [Fact]
    public void The_table_names_every_metric_of_the_services_and_no_other()
    {
        var documented = Document.Rows("deploy/observability/README.md", "metric")
            .Select(cells => $"{cells[0].Trim('`')}, {cells[1].Trim('`')}, {cells[2]}: {cells[4]}");

        Assert.Equal(Instruments().Select(it => $"{it.Name}, {PrometheusName(it)}, {it.Unit}: {it.Description}").Order(), documented.Order());
    }

    private static List<Instrument> Instruments()
    {
        List<Instrument> instruments = [];
        using var provider = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var factory = provider.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                // Other tests have metrics as well.
                if (instrument.Meter.Scope == factory)
                    instruments.Add(instrument);
            },
        };
        listener.Start();
        _ = new FeaturesMetrics(factory);
        _ = new InferenceMetrics(factory);
        _ = new FusionMetrics(factory);
        _ = new GatewayMetrics(factory);
        return instruments;
    }

    /// <summary>https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/</summary>
    private static string PrometheusName(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        var unit = instrument.Unit switch
        {
            "s" => "_seconds",
            ['{', .., '}'] => "",
            var other => throw new ArgumentException($"How Prometheus writes the unit {other} is not known here.", nameof(instrument)),
        };
        return name + unit + (instrument is Counter<long> ? "_total" : "");
    }
}
