using System.Security.Cryptography;

namespace Affect.Local;

/// <summary>The key of checkpoints in the user's state folder, so that calls resume after a restart of the process.</summary>
internal static class CheckpointKeyFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Reads the key in base64, and creates the file first if it does not exist; null if neither is possible.</summary>
    public static string? ReadOrCreate()
    {
        try
        {
            var path = Path.Combine(StateFolder(), "affect", "checkpoint.key");
            if (!File.Exists(path))
                Create(path);
            return File.ReadAllText(path).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Fusion generates a key for this process and logs it.
            return null;
        }
    }

    /// <summary>Moves a complete file to its place; the file of a process that was faster stays.</summary>
    private static void Create(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Environment.ProcessId}";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        using (var writer = new StreamWriter(temporary, options))
            writer.WriteLine(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        try
        {
            File.Move(temporary, path);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(temporary);
        }
    }

    /// <summary>XDG_STATE_HOME, by default ~/.local/state (XDG Base Directory Specification 0.8).</summary>
    private static string StateFolder() =>
        Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } folder && Path.IsPathRooted(folder)
            ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state");
}
