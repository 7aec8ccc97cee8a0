using System.Text;
using System.Text.RegularExpressions;
using Affect.Emotions;
using Affect.Inference;
using ScottPlot;
using SkiaSharp;

namespace Affect.Training.Evaluation;

/// <summary>Confusion matrix, learning curves and reliability diagram of a model as SVG, drawn by ScottPlot.</summary>
internal static partial class Plots
{
    private const string Confusion = "confusion.svg", Learning = "learning.svg", Reliability = "reliability.svg";
    private const string Font = "DejaVu Sans";

    // Colors of Okabe and Ito 2008, distinguishable for color-blind readers.
    private static readonly Color Blue = Color.FromHex("#0072B2"), Orange = Color.FromHex("#D55E00"), Gray = Color.FromHex("#767676");

    /// <summary>File names in the order of the model card.</summary>
    public static IReadOnlyList<string> Names { get; } = [Confusion, Learning, Reliability];

    /// <summary>Draws the plots for which the manifest has data.</summary>
    /// <returns>File names and SVG texts.</returns>
    /// <exception cref="IOException">No font is installed.</exception>
    public static IEnumerable<(string Name, string Svg)> Draw(ModelManifest manifest)
    {
        if (SKFontManager.Default.FontFamilyCount == 0)
            throw new IOException("plots require a font (apt install fonts-dejavu-core)");
        if (manifest.Metrics.Count > 0 && manifest.Metrics[0] is { Confusion.Count: > 0 } metrics)
            yield return (Confusion, Render(440, 380, DrawConfusion(metrics)));
        if (manifest.Learning is { Loss.Count: > 0 } curves)
            yield return (Learning, Render(720, 300,
                DrawCurves("cross-entropy (nats)", curves.Loss, curves.ValidationLoss, Alignment.UpperRight),
                DrawCurves("accuracy (%)", Percent(curves.Accuracy), Percent(curves.ValidationAccuracy), Alignment.LowerRight)));
        if (manifest.Metrics.Count > 0 && manifest.Metrics[0] is { Reliability.Count: > 0 } reliable)
            yield return (Reliability, Render(400, 380, DrawReliability(reliable)));
    }

    // Row-normalized confusion matrix.
    private static Plot DrawConfusion(ModelMetrics metrics)
    {
        var plot = New("predicted emotion", "true emotion");
        var count = EmotionLabels.Count;
        for (var row = 0; row < count; row++)
            for (var column = 0; column < count; column++)
            {
                var share = (double)metrics.Confusion[row][column] / Math.Max(1, metrics.Confusion[row].Sum());
                var y = count - 1 - row;
                var cell = plot.Add.Rectangle(column - 0.5, column + 0.5, y - 0.5, y + 0.5);
                cell.FillColor = Colors.White.MixedWith(Blue, share);
                cell.LineWidth = 0;
                var text = plot.Add.Text($"{share * 100:0}", column, y);
                text.LabelFontColor = share > 0.55 ? Colors.White : share < 0.005 ? Gray : Colors.Black;
                text.LabelFontSize = 12;
                text.LabelAlignment = Alignment.MiddleCenter;
            }
        plot.Title("confusion matrix, row-normalized (%)", 12);
        plot.HideGrid();
        double[] positions = [.. Enumerable.Range(0, count).Select(i => (double)i)];
        plot.Axes.Bottom.SetTicks(positions, [.. EmotionLabels.Names]);
        plot.Axes.Left.SetTicks(positions, [.. EmotionLabels.Names.Reverse()]);
        plot.Axes.Bottom.MajorTickStyle.Length = plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.SetLimits(-0.5, count - 0.5, -0.5, count - 0.5);
        return plot;
    }

    private static Plot DrawCurves(string label, IReadOnlyList<double> training, IReadOnlyList<double> validation, Alignment legend)
    {
        var plot = New("epoch", label);
        double[] epochs = [.. Enumerable.Range(1, training.Count).Select(epoch => (double)epoch)];
        Add(training, Blue, LinePattern.Dashed, "training");
        Add(validation, Orange, LinePattern.Solid, "validation");
        plot.ShowLegend(legend);
        plot.Axes.AutoScale();
        return plot;

        void Add(IReadOnlyList<double> values, Color color, LinePattern pattern, string name)
        {
            var line = plot.Add.ScatterLine(epochs, values.ToArray(), color);
            (line.LineWidth, line.LinePattern, line.LegendText) = (2, pattern, name);
        }
    }

    // Reliability diagram; the area of a marker is proportional to the samples of its bin.
    private static Plot DrawReliability(ModelMetrics metrics)
    {
        var plot = New("mean confidence (%)", "accuracy (%)");
        var ideal = plot.Add.Line(0, 0, 100, 100);
        (ideal.LineColor, ideal.LinePattern, ideal.LegendText) = (Gray, LinePattern.Dashed, "perfect calibration");
        var bins = metrics.Reliability.Where(bin => bin.Count > 0).ToList();
        double[] confidence = [.. bins.Select(bin => bin.Confidence * 100)], accuracy = [.. bins.Select(bin => bin.Accuracy * 100)];
        var line = plot.Add.ScatterLine(confidence, accuracy, Blue);
        (line.LineWidth, line.LegendText) = (1, "measured (marker area: share of samples)");
        foreach (var bin in bins)
            plot.Add.Marker(bin.Confidence * 100, bin.Accuracy * 100, MarkerShape.FilledCircle,
                4 + 26 * (float)Math.Sqrt((double)bin.Count / metrics.Samples), Blue.WithAlpha(0.7));
        plot.Title($"ECE {metrics.ExpectedCalibrationError:P1}", 12);
        plot.ShowLegend(Alignment.UpperLeft);
        plot.Axes.SetLimits(0, 102, 0, 102);
        return plot;
    }

    private static IReadOnlyList<double> Percent(IReadOnlyList<double> shares) => [.. shares.Select(share => share * 100)];

    private static Plot New(string x, string y)
    {
        var plot = new Plot();
        plot.Font.Set(Font);
        plot.XLabel(x, 12);
        plot.YLabel(y, 12);
        plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = plot.Axes.Title.Label.Bold = false;
        plot.Axes.Top.FrameLineStyle.IsVisible = plot.Axes.Right.FrameLineStyle.IsVisible = false;
        plot.Axes.Bottom.MinorTickStyle.Length = plot.Axes.Left.MinorTickStyle.Length = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Legend.OutlineColor = Colors.LightGray;
        plot.Legend.FontSize = 11;
        return plot;
    }

    // Panels side by side in one image.
    private static string Render(int width, int height, params Plot[] plots)
    {
        var each = width / plots.Length;
        var panels = plots.Select(
            (plot, i) => $"<g transform=\"translate({i * each})\">\n{Panel(plot, each, height, $"{(char)('a' + i)}")}</g>\n");
        return $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\n{string.Concat(panels)}</svg>\n";
    }

    private static string Panel(Plot plot, int width, int height, string prefix)
    {
        using var stream = new MemoryStream();
        using (plot)
        using (var canvas = SKSvgCanvas.Create(new SKRect(0, 0, width, height), stream))
            plot.Render(canvas, width, height);
        var svg = Encoding.UTF8.GetString(stream.ToArray()).Replace("\t", "", StringComparison.Ordinal);
        // ScottPlot renders twice, first to measure; Skia clears by a black rectangle.
        var clear = $"<rect width=\"{width}\" height=\"{height}\"/>\n";
        svg = svg[(svg.LastIndexOf(clear, StringComparison.Ordinal) + clear.Length)..svg.LastIndexOf("</svg>", StringComparison.Ordinal)];
        return SimplifyText(MergeClips(svg, prefix));
    }

    // Skia writes a clip path per element with a process-wide counter; merging them makes the output deterministic.
    private static string MergeClips(string svg, string prefix)
    {
        var names = new Dictionary<string, string>();
        var clips = new Dictionary<string, string>();
        svg = Clips().Replace(svg, clip =>
        {
            var known = names.TryGetValue(clip.Groups[2].Value, out var name);
            names[clip.Groups[2].Value] = clips[clip.Groups[1].Value] = name ??= $"{prefix}{names.Count}";
            return known ? "" : $"<clipPath id=\"{name}\">{clip.Groups[2].Value}</clipPath>\n";
        });
        svg = ClipUses().Replace(svg, use => $"url(#{clips[use.Groups[1].Value]})");
        // Merge adjacent groups with the same clip path.
        return names.Count == 1 ? svg.Replace($"</g>\n<g clip-path=\"url(#{prefix}0)\">\n", "", StringComparison.Ordinal) : svg;
    }

    // Skia positions each glyph for its own font. Keep only the start of a text, because viewers may use another font.
    private static string SimplifyText(string svg)
    {
        svg = svg.Replace($"font-family=\"{Font}\"", $"font-family=\"{Font}, Verdana, sans-serif\"", StringComparison.Ordinal);
        svg = FlattenSpatial().Replace(svg, "$1=\"$2\"");
        svg = TextPadding().Replace(svg, ">$1</text>");
        return Decimals().Replace(svg, "$1");
    }

    [GeneratedRegex("<clipPath id=\"(\\w+)\">\\s*(<rect [^>]*/>)\\s*</clipPath>\\s*")]
    private static partial Regex Clips();

    [GeneratedRegex("url\\(#(\\w+)\\)")]
    private static partial Regex ClipUses();

    [GeneratedRegex("\\b([xy])=\"([-0-9.]+),[^\"]*\"")]
    private static partial Regex FlattenSpatial();

    [GeneratedRegex(">\\s*([^<>]*?)\\s*</text>")]
    private static partial Regex TextPadding();

    // Round down to 0.01 pixels.
    [GeneratedRegex("(\\d+\\.\\d{2})\\d+")]
    private static partial Regex Decimals();
}
