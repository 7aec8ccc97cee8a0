using System.IO.Compression;
using System.Text.Json;

using Affect.Audio;

namespace Affect.UnitTests.Audio;

/// <summary>
/// A signal and librosa 0.11's features of it, on the settings of fixtures/golden/spec.json; of <c>whisper</c>, Whisper's.
/// </summary>
internal sealed class Golden
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "fixtures", "golden");

    private readonly JsonElement _features;

    private Golden(AudioBuffer audio, JsonElement features)
    {
        Audio = audio;
        _features = features;
    }

    public static TheoryData<string> Names => ["chirp", "clicks", "noise", "short", "silence", "sine440", "speech"];

    public AudioBuffer Audio { get; }

    public static Golden Load(string name)
    {
        using var file = File.OpenRead(Path.Combine(Folder, name + ".json.gz"));
        using var json = new GZipStream(file, CompressionMode.Decompress);
        using var document = JsonDocument.Parse(json);
        return new Golden(LoadAudio(name), document.RootElement.Clone());
    }

    public static AudioBuffer LoadAudio(string name) =>
        WavReader.Read(File.ReadAllBytes(Path.Combine(Folder, name + ".wav")));

    /// <summary>An array of arrays.</summary>
    public float[][] Values(string name) => _features.GetProperty(name).Deserialize<float[][]>()!;

    /// <summary>Of <c>whisper</c>: mean and standard deviation of each of the encoder's states.</summary>
    public IEnumerable<(float Mean, float Deviation)> StateMoments => _features.GetProperty("states").EnumerateArray()
        .Select(state => (state.GetProperty("mean").GetSingle(), state.GetProperty("std").GetSingle()));

    /// <summary>One of librosa's matrices, [feature][frame] as librosa lays it out.</summary>
    public float[][] Feature(string name)
    {
        var feature = _features.GetProperty(name);
        var frames = feature.GetProperty("shape")[1].GetInt32();
        return [.. feature.GetProperty("values").EnumerateArray().Select(value => value.GetSingle()).Chunk(frames)];
    }
}
