using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace Affect.Inference;

/// <summary>
/// The environment of ONNX Runtime without telemetry. Unless disabled before the library starts, it reports usage to its
/// vendor and keeps a machine identifier and an event queue in the home folder.
/// </summary>
public static partial class OnnxEnvironment
{
    private const string DisableTelemetry = "ORT_DISABLE_TELEMETRY";

    private static readonly Lazy<OrtEnv> Shared = new(() =>
    {
        // The library reads the native environment; on Unix .NET changes only its copy.
        if (OperatingSystem.IsWindows())
            Environment.SetEnvironmentVariable(DisableTelemetry, "1");
        else
            _ = SetEnvironmentVariable(DisableTelemetry, "1", overwrite: 1);
        var environment = OrtEnv.Instance();
        environment.DisableTelemetryEvents();
        return environment;
    });

    /// <summary>The environment of all sessions. Must be read before the first session is created.</summary>
    public static OrtEnv Instance => Shared.Value;

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironmentVariable(string name, string value, int overwrite);
}
