using System.Text.Json;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Affect.E2ETests;

/// <summary>Compares the Models page with the API.</summary>
public sealed class ModelsTests(PageFixture fixture)
{
    /// <summary>The page rounds to one decimal.</summary>
    private const double Rounding = 0.0501;

    private static readonly Dictionary<string, string> Measures = new()
    {
        ["Accuracy"] = "accuracy",
        ["Precision"] = "macro_precision",
        ["Recall"] = "unweighted_average_recall",
        ["F1"] = "macro_f1",
    };

    [Fact]
    public async Task Models_Comparison_MatchesApiAndStudy()
    {
        await using var tab = await fixture.OpenAsync("/models");
        var models = await ModelsAsync();
        await Expect(tab.Page.Locator("[data-model]")).ToHaveCountAsync(models.Count);
        // The file that the page was built with, which training wrote.
        using var report = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "models", "report.json"), TestContext.Current.CancellationToken));

        foreach (var model in models)
        {
            var name = Name(model);
            var row = tab.Page.Locator($"[data-model='{name}']");
            var test = model.GetProperty("metrics").EnumerateArray().First(metrics =>
                metrics.GetProperty("condition").GetString() == "" && !metrics.GetProperty("protocol").GetString()!.StartsWith("unseen", StringComparison.Ordinal));
            var study = report.RootElement.GetProperty("models").EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == name)
                .TryGetProperty("study", out var figures) ? figures : default;
            foreach (var (title, field) in Measures)
            {
                Assert.Equal(100 * test.GetProperty(field).GetDouble(), await PercentAsync(row.Locator($"[data-measure={title}]")), Rounding);
                if (study.ValueKind == JsonValueKind.Undefined)
                    await Expect(row.Locator($"[data-study={title}]")).ToHaveTextAsync("–");
                else
                    Assert.Equal(100 * study.GetProperty(title.ToLowerInvariant()).GetDouble(), await PercentAsync(row.Locator($"[data-study={title}]")), Rounding);
            }
        }
    }

    [Fact]
    public async Task Models_Details_ShowConfusionCurvesAndCard()
    {
        await using var tab = await fixture.OpenAsync("/models");
        var model = (await ModelsAsync()).Single(model => Name(model) == "cnn-gru");
        await tab.Button("cnn-gru").And(tab.Page.Locator(".link")).ClickAsync();

        var counts = model.GetProperty("metrics")[0].GetProperty("confusion").EnumerateArray()
            .SelectMany(row => row.GetProperty("counts").EnumerateArray()).Select(count => count.GetInt32().ToString());
        await Expect(tab.Page.GetByRole(AriaRole.Region, new() { Name = "Model cnn-gru" })).ToBeVisibleAsync();
        Assert.Equal(counts, await tab.Page.EvaluateAsync<string[]>("[...document.querySelectorAll('.confusion td')].map(cell => cell.dataset.count)"));
        await Expect(tab.Page.Locator(".chart canvas")).ToHaveCountAsync(3);
        var last = model.GetProperty("learning").GetProperty("validation_accuracy").EnumerateArray().Last().GetDouble();
        await Expect(tab.Page.GetByLabel("Learning: accuracy")).ToHaveAttributeAsync(
            "aria-label", new System.Text.RegularExpressions.Regex($"validation {last:F3}"));

        // The matrix changes with the data.
        await tab.Page.GetByLabel("Measured on").SelectOptionAsync("1");
        var other = model.GetProperty("metrics")[1].GetProperty("confusion")[0].GetProperty("counts")[0].GetInt32();
        await Expect(tab.Page.Locator(".confusion td").First).ToHaveAttributeAsync("data-count", other.ToString());

        await tab.Page.GetByText("Model card").ClickAsync();
        await Expect(tab.Page.Locator("h1")).ToHaveTextAsync("cnn-gru");
        await Expect(tab.Page.GetByText("Limits")).ToBeVisibleAsync();
        Assert.True(await tab.Page.EvaluateAsync<bool>("[...document.images].every(image => image.naturalWidth > 0)"));
        Assert.Empty(await tab.AxeAsync());
    }

    private async Task<List<JsonElement>> ModelsAsync()
    {
        using var http = new HttpClient { BaseAddress = fixture.Host.Gateway.HttpAddress };
        var text = await http.GetStringAsync("v1/models", TestContext.Current.CancellationToken);
        return [.. JsonDocument.Parse(text).RootElement.GetProperty("models").EnumerateArray()];
    }

    private static string Name(JsonElement model) => model.GetProperty("reference").GetProperty("name").GetString()!;

    private static async Task<double> PercentAsync(ILocator cell) => double.Parse((await cell.TextContentAsync())!.Replace(" %", "", StringComparison.Ordinal));
}
