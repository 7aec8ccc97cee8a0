using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Affect.Testing;
using Affect.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Affect.Fuzz;

/// <summary>All services in one process, as <c>deploy/run</c> starts them, with models of one layer.</summary>
internal sealed class FuzzedServer : IAsyncDisposable
{
    /// <summary>The key that signs checkpoints.</summary>
    public static readonly byte[] CheckpointKey = new byte[32];

    /// <summary>Time for the log of a finished case to arrive.</summary>
    private static readonly TimeSpan LogDelay = TimeSpan.FromMilliseconds(50);

    private static readonly string[] ErrorLines = ["fail:", "crit:", "Unhandled exception"];

    private readonly ModelFolder _models = new();
    private readonly ConcurrentQueue<string> _errors = [];
    private readonly HttpClient _http = new() { Timeout = Connection.Timeout };
    private Process? _process;
    private int _httpPort, _grpcPort;

    /// <summary>True after a crash.</summary>
    public bool HasExited => _process!.HasExited;

    /// <summary>Resident memory in bytes.</summary>
    public long Memory
    {
        get
        {
            _process!.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Starts the server, or starts it again after a crash; returns when it is ready.</summary>
    public async Task StartAsync()
    {
        if (!Directory.EnumerateFileSystemEntries(_models.Path).Any())
        {
            TinyModel.Write(_models.Path, TinyModel.Speech());
            TinyModel.Write(_models.Path, TinyModel.Face());
        }
        (_httpPort, _grpcPort) = (Loopback.FreePort(), Loopback.FreePort());
        var build = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Affect.Local", build, "Affect.Local.dll")),
                $"--Server:HttpPort={_httpPort}", $"--Server:GrpcPort={_grpcPort}",
                $"--Speech:ModelsPath={_models.Path}", $"--Face:ModelsPath={_models.Path}",
                // All cases come from one client.
                "--Gateway:Anonymous:RequestsPerMinute=1000000",
                // A fixed key, so that a saved case is authentic in another process too.
                $"--Fusion:CheckpointKeys:0={Convert.ToBase64String(CheckpointKey)}", "--Fusion:CheckpointInterval=00:00:01",
                "--Logging:Console:FormatterName=simple", "--Logging:Console:FormatterOptions:SingleLine=true",
            ])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Environment.GetEnvironmentVariable("AFFECT_YUNET") is { Length: > 0 } detector)
            start.ArgumentList.Add($"--Features:FaceDetectorPath={detector}");
        start.Environment["MALLOC_ARENA_MAX"] = "2";
        var ready = new TaskCompletionSource();
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.Exited += (_, _) => ready.TrySetException(
            new InvalidOperationException($"The server has exited: {string.Join(Environment.NewLine, _errors)}"));
        _process.OutputDataReceived += (_, line) => Read(line.Data);
        _process.ErrorDataReceived += (_, line) => Read(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await ready.Task;

        void Read(string? line)
        {
            if (line?.StartsWith("Affect is ready", StringComparison.Ordinal) == true)
                ready.TrySetResult();
            else if (line is not null && ErrorLines.Any(start => line.StartsWith(start, StringComparison.Ordinal)))
                _errors.Enqueue(line);
        }
    }

    public Task<Reply> SendAsync(Case sent) => Connection.ExchangeAsync(sent, sent.Protocol == Protocol.Http ? _httpPort : _grpcPort);

    /// <summary>Returns and removes the errors that the server has logged since the last call.</summary>
    public async Task<List<string>> TakeErrorsAsync()
    {
        await Task.Delay(LogDelay);
        var errors = new List<string>();
        while (_errors.TryDequeue(out var error))
            errors.Add(error);
        return errors;
    }

    /// <summary>Sends a valid clip; returns the fault of the answer, or null.</summary>
    public async Task<string?> CheckAsync()
    {
        try
        {
            using var body = new MultipartFormDataContent
            {
                { new ByteArrayContent(Seeds.Wav[0]), "audio" },
                { new ByteArrayContent(Seeds.Pictures[0]), "image" },
            };
            using var response = await _http.PostAsync($"http://localhost:{_httpPort}/v1/analyze", body);
            return response.StatusCode == HttpStatusCode.OK
                ? null
                : $"a valid clip got status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}";
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            return $"a valid clip got no answer: {exception.Message}";
        }
    }

    /// <summary>The newest checkpoint of a valid call that starts with the configuration of a seed.</summary>
    public async Task<Checkpoint> GetCheckpointAsync(AnalyzeStreamRequest[] seed)
    {
        using var channel = GrpcChannel.ForAddress($"http://localhost:{_grpcPort}");
        using var call = new EmotionService.EmotionServiceClient(channel).AnalyzeStream();
        await call.RequestStream.WriteAsync(seed[0]);
        for (var second = 0; second < 4; second++)
            foreach (var request in seed.Skip(1).Select(request => request.Clone()))
            {
                if (request.Audio is not null)
                    request.Audio.Position += second * seed.Where(other => other.Audio is not null).Sum(other => other.Audio.Data.Length);
                else
                    request.Frame.Time += Duration.FromTimeSpan(TimeSpan.FromSeconds(second));
                await call.RequestStream.WriteAsync(request);
            }
        await call.RequestStream.CompleteAsync();
        Checkpoint? newest = null;
        await foreach (var response in call.ResponseStream.ReadAllAsync())
            newest = response.Checkpoint ?? newest;
        return newest ?? throw new InvalidOperationException("The call has no checkpoint.");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        _process?.Dispose();
        _http.Dispose();
        _models.Dispose();
    }
}
