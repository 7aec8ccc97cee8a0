using System.CommandLine;
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
            foreach (var architecture in Architectures.Architecture.All.Values.DistinctBy(architecture => architecture.Modality))
                await Shared.LoadAsync(workspace, architecture, Workspace.DefaultProtocol(architecture), cancellation);
        }));
        return command;
    }
}
