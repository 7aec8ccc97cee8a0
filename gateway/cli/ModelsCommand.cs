using System.CommandLine;
using Affect.Client;
using Affect.Emotions;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect models [NAME]</c></summary>
internal static class ModelsCommand
{
    private static readonly Argument<string?> Name = new("NAME")
    {
        Description = "A model to show with its confusion matrices [default: all models]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Print one JSON object per model and line" };

    public static Command Create()
    {
        var command = new Command("models", "Lists the models and their metrics.") { Name, Json, FetchCommand.Create() };
        command.SetAction((parsed, cancellation) => AffectCommand.RunWithClientAsync(parsed, async client =>
        {
            var name = parsed.GetValue(Name);
            var models = name is null
                ? await client.ListModelsAsync(cancellation: cancellation)
                : [await client.GetModelAsync(name, cancellation)];
            if (parsed.GetValue(Json))
                foreach (var model in models)
                    Console.Out.WriteLine(model.ToJson());
            else if (name is null)
                AffectCommand.CreateConsole().Write(CreateTable(models));
            else
                foreach (var model in models)
                    Show(AffectCommand.CreateConsole(), model);
            return ExitCode.Ok;
        }, cancellation));
        return command;
    }

    private static Table CreateTable(IReadOnlyList<Model> models)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn("model, measured on");
        foreach (var heading in (string[])["accuracy", "UAR", "F1", "ECE"])
            table.AddColumn(new TableColumn(heading).RightAligned().NoWrap());
        foreach (var model in models)
        {
            var name = $"[bold]{Markup.Escape($"{model.Name} {model.Version}")}[/], {Lower(model.Modality)}{(model.IsDefault ? ", default" : "")}";
            table.AddRow(model.Latency is { } latency ? $"{name}, {Milliseconds(latency)}" : name);
            // Metrics under special conditions are shown for a single model only.
            foreach (var metrics in model.Metrics.Where(metrics => metrics.Condition.Length == 0))
                table.AddRow(
                    new Padder(new Text($"{metrics.Data}, {metrics.Protocol}"), new Padding(2, 0, 0, 0)),
                    new Text(Percent(metrics.Accuracy)),
                    new Text(Percent(metrics.UnweightedAverageRecall)),
                    new Text(Percent(metrics.MacroF1)),
                    new Text(Percent(metrics.ExpectedCalibrationError)));
        }
        return table;
    }

    private static void Show(IAnsiConsole console, Model model)
    {
        console.Write(new Markup($"[bold]{Markup.Escape($"{model.Name} {model.Version}")}[/]  {Lower(model.Modality)}{(model.IsDefault ? ", default" : "")}\n"));
        console.WriteLine(model.Description);
        console.WriteLine($"License: {model.License}");
        console.WriteLine($"Temperature {model.Temperature:0.###}, UNCERTAIN below {Percent(model.AbstainBelow)}");
        if (model.Latency is { } latency)
            console.WriteLine($"Latency {Milliseconds(latency)} on one core, without feature extraction");
        foreach (var metrics in model.Metrics)
        {
            var title = metrics.Condition.Length == 0 ? $"{metrics.Data}, {metrics.Protocol}" : $"{metrics.Data}, {metrics.Protocol}, {metrics.Condition}";
            console.Write(new Markup($"\n[bold]{Markup.Escape(title)}[/], {metrics.Samples} samples\n"));
            console.WriteLine(
                $"accuracy {Percent(metrics.Accuracy)}, UAR {Percent(metrics.UnweightedAverageRecall)}, " +
                $"macro F1 {Percent(metrics.MacroF1)}, macro precision {Percent(metrics.MacroPrecision)}, " +
                $"ECE {Percent(metrics.ExpectedCalibrationError)}");
            if (metrics.Confusion.Count != EmotionLabels.Count)
                continue;
            var table = new Table().NoBorder().AddColumn("true \\ predicted");
            foreach (var emotion in EmotionLabels.Names)
                table.AddColumn(new TableColumn(emotion).RightAligned());
            foreach (var (emotion, row) in EmotionLabels.Names.Zip(metrics.Confusion))
                table.AddRow([emotion, .. row.Select(count => count.ToString())]);
            console.Write(table);
        }
    }

    private static string Lower(Modality modality) => modality.ToString().ToLowerInvariant();

    private static string Milliseconds(TimeSpan time) => $"{time.TotalMilliseconds:0.0} ms";

    private static string Percent(double share) => $"{share * 100:0.0} %";
}
