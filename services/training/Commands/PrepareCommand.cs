using System.CommandLine;
using Affect.Training.Architectures;
using Affect.Training.Data;

namespace Affect.Training.Commands;

/// <summary><c>prepare</c>: decodes the speech corpora once, checks FER2013, and prints a report.</summary>
internal static class PrepareCommand
{
    public static Command Create()
    {
        var command = new Command("prepare", "Decodes the corpora once and reports skipped and repaired files.")
        {
            CommonOptions.Data, CommonOptions.Run, CommonOptions.Splits,
        };
        command.SetAction((parsed, cancellation) => CommonOptions.InvokeAsync(async () =>
        {
            var workspace = CommonOptions.Workspace(parsed);
            // Face models can be trained without the speech corpora, so one missing modality does not stop the other.
            var missing = new List<string>();
            foreach (var architecture in Architecture.All.Values.DistinctBy(architecture => architecture.Modality))
                try
                {
                    await CommonOptions.LoadAsync(workspace, architecture, Workspace.DefaultProtocol(architecture), cancellation);
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
