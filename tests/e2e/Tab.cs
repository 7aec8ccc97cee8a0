using Microsoft.Playwright;

namespace Affect.E2ETests;

/// <summary>A page in its own context. Disposing it fails if the browser reported an unexpected error.</summary>
public sealed class Tab : IAsyncDisposable
{
    private readonly List<string> _complaints = [];
    private readonly List<string> _expected = [];

    internal Tab(IPage page)
    {
        Page = page;
        // Violations of a policy are reported as errors of the console.
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                Complain(message.Text);
        };
        page.PageError += (_, error) => Complain(error);
    }

    public IPage Page { get; }

    /// <summary>Expects errors that contain this text.</summary>
    public void Expect(string text) => _expected.Add(text);

    /// <summary>Finds a button by its accessible name.</summary>
    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name });

    /// <summary>Serious and critical findings of axe: https://github.com/dequelabs/axe-core.</summary>
    public async Task<string[]> AxeAsync()
    {
        await Page.EvaluateAsync(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "axe.min.js")));
        return await Page.EvaluateAsync<string[]>("""
            async () => (await axe.run()).violations
              .filter(violation => ["serious", "critical"].includes(violation.impact))
              .flatMap(violation => violation.nodes.map(node => `${violation.id}: ${node.html} ${node.failureSummary}`))
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await Page.Context.CloseAsync();
        lock (_complaints)
            Assert.DoesNotContain(_complaints, complaint => !_expected.Exists(text => complaint.Contains(text, StringComparison.Ordinal)));
    }

    private void Complain(string text)
    {
        lock (_complaints)
            _complaints.Add(text);
    }
}
