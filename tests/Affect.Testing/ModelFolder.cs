namespace Affect.Testing;

/// <summary>A model repository for the length of a test.</summary>
public sealed class ModelFolder : IDisposable
{
    /// <summary>Full path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("affect-models-").FullName;

    /// <summary>Full path of a file in it.</summary>
    public string this[string file] => System.IO.Path.Combine(Path, file);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
