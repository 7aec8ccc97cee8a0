namespace Affect.Testing;

/// <summary>All services, each in a separate process, with the shipped models.</summary>
public sealed class AffectProcesses : IAsyncDisposable
{
    private AffectProcesses((string, string)[] environment)
    {
        Features = new("Features", environment);
        Speech = new("Speech", environment);
        Face = new("Face", environment);
        Fusion = new("Fusion",
        [
            .. environment, ("Fusion__FeaturesAddress", Features.Address), ("Fusion__SpeechAddress", Speech.Address), ("Fusion__FaceAddress", Face.Address),
            ("Fusion__CheckpointKeys__0", AffectHost.CheckpointKey),
        ]);
        Gateway = new("Gateway",
        [
            .. environment, ("Gateway__FusionAddress", Fusion.Address), ("Gateway__RequireApiKey", "false"), ("Gateway__Anonymous__RequestsPerMinute", "10000"),
        ]);
    }

    public ServiceProcess Features { get; }

    public ServiceProcess Speech { get; }

    public ServiceProcess Face { get; }

    public ServiceProcess Fusion { get; }

    public ServiceProcess Gateway { get; }

    public IReadOnlyList<ServiceProcess> All => [Features, Speech, Face, Fusion, Gateway];

    /// <summary>Starts all services and waits until they are ready.</summary>
    /// <param name="cancellation">Stops waiting.</param>
    /// <param name="environment">Environment variables of every process.</param>
    public static async Task<AffectProcesses> StartAsync(CancellationToken cancellation, params (string Name, string Value)[] environment)
    {
        var processes = new AffectProcesses(environment);
        try
        {
            await Task.WhenAll(processes.All.Select(process => process.StartAsync(cancellation)));
            return processes;
        }
        catch
        {
            await processes.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in All)
            await process.DisposeAsync();
    }
}
