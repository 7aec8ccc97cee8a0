using System.CommandLine;
using Affect.Fuzz;
using Affect.Fuzz.Targets;

var cases = new Option<int>("--cases") { Description = "Number of cases, divided among the targets", DefaultValueFactory = _ => 20_000 };
var seed = new Option<int>("--seed") { Description = "Equal seeds send equal cases", DefaultValueFactory = _ => 18 };
var only = new Option<string[]>("--target") { Description = "Names of targets; all if absent", AllowMultipleArgumentsPerToken = true };
var replay = new Option<FileInfo[]>("--replay") { Description = "Files of cases to send again", AllowMultipleArgumentsPerToken = true };
var command = new RootCommand("Sends mutated requests to all services in one process and checks that none breaks the server.")
{
    cases, seed, only, replay,
};
command.SetAction(async parsed =>
{
    await using var server = new FuzzedServer();
    await server.StartAsync();
    var output = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../fuzz"));
    var campaign = new Campaign(server, parsed.GetValue(seed), output);
    if (parsed.GetValue(replay) is { Length: > 0 } files)
        return await ReplayAsync(campaign, files);

    List<Target> targets =
    [
        new("json", JsonTarget.Create), new("multipart", MultipartTarget.Create), new("http", HttpTarget.Create),
        new("websocket", WebSocketTarget.Create), new("grpc", GrpcTarget.Create), new("stream", StreamTarget.Create),
        new("checkpoint", new CheckpointTarget(await GetCheckpointsAsync(server)).Create),
        new("http2", Http2Target.Create), new("audio", AudioTarget.Create), new("picture", PictureTarget.Create),
    ];
    if (parsed.GetValue(only) is { Length: > 0 } names)
        targets.RemoveAll(target => !names.Contains(target.Name));
    Console.WriteLine($"seed {parsed.GetValue(seed)}");
    // Loads code and libraries, which stay in memory.
    foreach (var target in targets)
        await new Campaign(server, parsed.GetValue(seed) + 1, output).RunAsync(target, 30);
    var start = server.Memory;
    var passed = 0;
    foreach (var target in targets)
        passed += await campaign.RunAsync(target, parsed.GetValue(cases) / targets.Count) ? 1 : 0;
    passed += await campaign.CheckMemoryAsync(start) ? 1 : 0;
    Console.WriteLine($"{passed} passed, {targets.Count + 1 - passed} failed");
    return passed == targets.Count + 1 ? 0 : 1;
});
return await command.Parse(args).InvokeAsync();

static async Task<int> ReplayAsync(Campaign campaign, FileInfo[] files)
{
    var faults = 0;
    foreach (var file in files)
    {
        var fault = await campaign.ReplayAsync(Case.Load(file.FullName));
        Console.WriteLine($"{file.Name}: {fault ?? "passed"}");
        faults += fault is null ? 0 : 1;
    }
    return faults == 0 ? 0 : 1;
}

static async Task<List<Affect.V1.Checkpoint>> GetCheckpointsAsync(FuzzedServer server)
{
    var checkpoints = new List<Affect.V1.Checkpoint>();
    foreach (var call in Seeds.Calls)
        checkpoints.Add(await server.GetCheckpointAsync(call));
    return checkpoints;
}
