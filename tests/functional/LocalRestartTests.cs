using System.Runtime.Versioning;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf;
using Grpc.Net.Client;

namespace Affect.FunctionalTests;

/// <summary>All services in one process, as <c>deploy/run</c> starts them.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class LocalRestartTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restart_CheckpointOfTheProcessBefore_ResumesItsCall()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Signals and file modes are POSIX's.");
        var state = Directory.CreateTempSubdirectory("affect-state-");
        try
        {
            await using var affect = new ServiceProcess("Local", ("XDG_STATE_HOME", state.FullName));
            await affect.StartAsync(Cancellation);
            var config = new StreamConfig
            {
                SessionId = "restart",
                Audio = new() { Encoding = AudioEncoding.L16, SampleRate = 22050, Channels = { new AudioChannel { Role = SpeakerRole.Customer } } },
            };
            var checkpoint = Assert.Single(await CallAsync(affect, config), response => response.Checkpoint is not null).Checkpoint;

            await affect.EndAsync("KILL", Cancellation);
            await affect.StartAsync(Cancellation);
            config.Resume = checkpoint.State;
            var resumed = await CallAsync(affect, config, checkpoint.AudioPosition);

            Assert.Equal(checkpoint.AudioPosition, resumed[0].Started.AudioPosition);
            Assert.NotNull(resumed[^1].Summary);
            var key = Path.Combine(state.FullName, "affect", "checkpoint.key");
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
            Assert.Equal([key], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(key)!));
        }
        finally
        {
            state.Delete(recursive: true);
        }
    }

    /// <summary>Sends 8 s of silence from a position on.</summary>
    private static async Task<List<AnalyzeStreamResponse>> CallAsync(ServiceProcess affect, StreamConfig config, long position = 0)
    {
        using var channel = GrpcChannel.ForAddress(affect.Address);
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream(cancellationToken: Cancellation);
        await call.RequestStream.WriteAsync(new() { Config = config }, Cancellation);
        var silence = ByteString.CopyFrom(new byte[8 * 2 * 22050 - position]);
        await call.RequestStream.WriteAsync(new() { Audio = new() { Position = position, Data = silence } }, Cancellation);
        await call.RequestStream.CompleteAsync();
        var responses = new List<AnalyzeStreamResponse>();
        while (await call.ResponseStream.MoveNext(Cancellation))
            responses.Add(call.ResponseStream.Current);
        return responses;
    }
}
