namespace Affect.Testing;

/// <summary>A temporary model repository.</summary>
public sealed class ModelFolder : IDisposable
{
    /// <summary>Full path of the folder.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("affect-models-").FullName;

    /// <summary>Full path of a file in it.</summary>
    public string this[string file] => System.IO.Path.Combine(Path, file);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
