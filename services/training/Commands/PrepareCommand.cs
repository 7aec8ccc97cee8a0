using System.CommandLine;
using Affect.Training.Architectures;
using Affect.Training.Data;

namespace Affect.Training.Commands;

/// <summary><c>prepare</c>: decodes the speech corpora once, checks FER2013, and prints what was found.</summary>
internal static class PrepareCommand
{
    public static Command Create()
    {
        var command = new Command("prepare", "Reads the corpora, decodes the sound once, and reports what was skipped or mended.")
        {
            Shared.Data, Shared.Run, Shared.Splits,
        };
        command.SetAction((parsed, cancellation) => Shared.Guard(async () =>
        {
            var workspace = Shared.Workspace(parsed);
            // Who wants to train faces alone has no use for speech, and is told what is missing all the same.
            var missing = new List<string>();
            foreach (var architecture in Architecture.All.Values.DistinctBy(architecture => architecture.Modality))
                try
                {
                    await Shared.LoadAsync(workspace, architecture, Workspace.DefaultProtocol(architecture), cancellation);
                }
                catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
                {
                    missing.Add(exception.Message);
                }
            if (missing.Count > 0)
                throw new IOException(string.Join("; ", missing));
        }));
        return command;
    }
}
