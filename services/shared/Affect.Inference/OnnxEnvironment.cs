using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace Affect.Inference;

/// <summary>
/// ONNX Runtime, told to keep to itself. Its packages report to their maker, and keep an identifier of the machine and a
/// queue of events in the home folder, unless told otherwise before the library starts.
/// </summary>
public static partial class OnnxEnvironment
{
    private const string Refusal = "ORT_DISABLE_TELEMETRY";

    private static readonly Lazy<OrtEnv> Only = new(() =>
    {
        // The library reads the environment of the process, of which .NET has a copy of its own.
        if (OperatingSystem.IsWindows())
            Environment.SetEnvironmentVariable(Refusal, "1");
        else
            _ = SetEnvironmentVariable(Refusal, "1", overwrite: 1);
        var environment = OrtEnv.Instance();
        environment.DisableTelemetryEvents();
        return environment;
    });

    /// <summary>The environment of all sessions; to be asked for before the first one is made.</summary>
    public static OrtEnv Instance => Only.Value;

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironmentVariable(string name, string value, int overwrite);
}
