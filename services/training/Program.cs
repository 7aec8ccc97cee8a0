using System.CommandLine;
using Affect.Training.Commands;

var root = new RootCommand("Trains, exports and measures the models of Affect.")
{
    PrepareCommand.Create(),
    TrainCommand.Create(),
    PredictCommand.Create(),
    ExportCommand.Create(),
    EvaluateCommand.Create(),
    ReportCommand.Create(),
    FuseCommand.Create(),
    CallsCommand.Create(),
    SimulateCommand.Create(),
};
return await root.Parse(args).InvokeAsync(
    new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromSeconds(60) });
