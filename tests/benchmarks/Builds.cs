namespace Affect.Benchmarks;

/// <summary>The other programs of the build that this one belongs to.</summary>
internal static class Builds
{
    /// <summary>A file of another project's output, in the same configuration.</summary>
    public static string Find(string project, string file)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        return Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../..", project, configuration, file));
    }
}
