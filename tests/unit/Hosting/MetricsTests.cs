using System.Diagnostics.Metrics;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Inference;
using Microsoft.Extensions.DependencyInjection;

namespace Affect.UnitTests.Hosting;

/// <summary>The table of metrics in deploy/observability/README.md.</summary>
public sealed class MetricsTests
{
    [Fact]
    public void Table_AllServices_NamesEveryMetric()
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
                // Other tests publish instruments as well.
                if (instrument.Meter.Scope == factory)
                    instruments.Add(instrument);
            },
        };
        listener.Start();
        _ = new HostingMetrics(factory);
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
            var other => throw new ArgumentException($"The Prometheus suffix of unit {other} is unknown.", nameof(instrument)),
        };
        return name + unit + (instrument is Counter<long> ? "_total" : "");
    }
}
