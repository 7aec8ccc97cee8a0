using Affect.V1;

namespace Affect.Fusion.Calls;

/// <summary>Writes a call's responses one at a time, from any thread.</summary>
internal sealed class CallResponses(Func<AnalyzeStreamResponse, Task> write, CancellationToken caller) : IDisposable
{
    private readonly SemaphoreSlim _writing = new(1);

    public async Task WriteAsync(AnalyzeStreamResponse response)
    {
        await _writing.WaitAsync(caller);
        try
        {
            await write(response);
        }
        finally
        {
            _writing.Release();
        }
    }

    public void Dispose() => _writing.Dispose();
}
