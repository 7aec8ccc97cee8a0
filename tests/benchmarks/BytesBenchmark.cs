using System.CommandLine;
using Affect.Audio;
using Affect.Inference;
using Affect.Testing;

namespace Affect.Benchmarks;

/// <summary><c>bytes</c>: the traffic between fusion and features under <c>affect load</c>, counted by a TCP relay between the two processes.</summary>
internal static class BytesBenchmark
{
    private static readonly Option<int> Calls = new("--calls") { Description = "Concurrent calls", DefaultValueFactory = _ => 20 };
    private static readonly Option<double> Seconds = new("--seconds") { Description = "Length of each call", DefaultValueFactory = _ => 60 };
    private static readonly Option<double> Hop = new("--hop") { Description = "Seconds from the start of one window to the next", DefaultValueFactory = _ => 1 };
    private static readonly Option<string?> Recordings = new("--recordings") { Description = "Folder of calls as make-calls writes them; made from --corpus if absent" };
    private static readonly Option<string?> Corpus = new("--corpus") { Description = "Folder of speech recordings [default: $AFFECT_DATA/ravdess]" };

    public static Command Create()
    {
        var command = new Command("bytes", "Bytes between fusion and features per second of a call.") { Calls, Seconds, Hop, Recordings, Corpus };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var (calls, seconds, hop) = (parsed.GetValue(Calls), parsed.GetValue(Seconds), parsed.GetValue(Hop));
        var recordings = CallsBenchmark.FindRecordings(parsed.GetValue(Recordings), parsed.GetValue(Corpus));
        var models = BatcherBenchmark.FindModels();
        var input = BatcherBenchmark.ReadDefault(models, Modality.Speech).Input;

        await using var features = new ServiceProcess("Features");
        await using var speech = new ServiceProcess("Speech", ("Speech__ModelsPath", models));
        await using var face = new ServiceProcess("Face", ("Face__ModelsPath", models));
        await using var relay = new TcpRelay(features.Address);
        await using var fusion = new ServiceProcess(
            "Fusion", ("Fusion__FeaturesAddress", relay.Address), ("Fusion__SpeechAddress", speech.Address), ("Fusion__FaceAddress", face.Address));
        await using var gateway = new ServiceProcess(
            "Gateway", ("Gateway__FusionAddress", fusion.Address), ("Gateway__RequireApiKey", "false"), ("Gateway__Anonymous__RequestsPerMinute", "10000"));
        await Task.WhenAll(((ServiceProcess[])[features, speech, face, fusion, gateway]).Select(service => service.StartAsync(cancellation)));

        var before = relay.Bytes;
        var load = await LoadTool.RunAsync(LoadTool.Default, gateway.Address, recordings, calls, seconds, hop, cancellation);
        var after = relay.Bytes;

        var audio = WavReader.Read(File.ReadAllBytes(recordings[0]));
        double audioBytes = audio.SampleRate * audio.ChannelCount; // µ-law: one byte for each sample
        double featureBytes = input.Positions * input.Channels * sizeof(float);
        var (toFeatures, toFusion) = ((after.ToServer - before.ToServer) / (calls * seconds), (after.ToClient - before.ToClient) / (calls * seconds));
        Console.WriteLine();
        Console.WriteLine($"{calls} stereo calls for {seconds:0} s, a window every {hop:0.##} s, {load.Windows} windows ({(double)load.Scored / load.Windows:P1} with scores), {load.Lost} lost");
        Console.WriteLine();
        Console.WriteLine("| bytes | per call-second |");
        Console.WriteLine("| --- | --: |");
        Console.WriteLine($"| fusion to features | {toFeatures:N0} |");
        Console.WriteLine($"| features to fusion | {toFusion:N0} |");
        Console.WriteLine($"| both | {toFeatures + toFusion:N0} |");
        Console.WriteLine($"| the audio of the call, {audio.ChannelCount} channels | {audioBytes:N0} |");
        Console.WriteLine($"| the audio of one channel | {audio.SampleRate:N0} |");
        Console.WriteLine($"| the features of one window every {hop:0.##} s | {featureBytes / hop:N0} |");
        Console.WriteLine($"| 1.2 × the audio of the call, and the features | {(1.2 * audioBytes) + (featureBytes / hop):N0} |");
        Console.WriteLine($"| 1.2 × the audio of one channel, and the features | {(1.2 * audio.SampleRate) + (featureBytes / hop):N0} |");
        return load.Lost == 0 ? 0 : 1;
    }
}
