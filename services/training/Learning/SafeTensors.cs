using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>
/// Reads and writes files in the safetensors format (github.com/huggingface/safetensors): the length of the header as a
/// little-endian 64-bit integer, the header as JSON, and the values of the tensors.
/// </summary>
internal static class SafeTensors
{
    /// <summary>Writes a file atomically, also if the process is killed.</summary>
    public static void Write(string path, IEnumerable<(string Name, Tensor Value)> tensors, string metadata)
    {
        var header = new JsonObject { ["__metadata__"] = new JsonObject { ["affect"] = metadata } };
        var offset = 0L;
        var list = tensors.ToList();
        foreach (var (name, value) in list)
        {
            var bytes = value.NumberOfElements * value.ElementSize;
            header[name] = new JsonObject
            {
                ["dtype"] = value.dtype == ScalarType.Int64 ? "I64" : "F32",
                ["shape"] = JsonSerializer.SerializeToNode(value.shape),
                ["data_offsets"] = new JsonArray(offset, offset + bytes),
            };
            offset += bytes;
        }
        var text = JsonSerializer.SerializeToUtf8Bytes(header);
        var temporary = path + ".new";
        using (var file = new FileStream(temporary, FileMode.Create))
        {
            file.Write(BitConverter.GetBytes((long)text.Length));
            file.Write(text);
            foreach (var (_, value) in list)
            {
                using var contiguous = value.detach().cpu().contiguous();
                file.Write(contiguous.bytes);
            }
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Reads the metadata.</summary>
    public static string ReadMetadata(string path)
    {
        using var file = File.OpenRead(path);
        return Header(file)["__metadata__"]!["affect"]!.GetValue<string>();
    }

    /// <summary>Copies the values of a file to tensors of the same names and shapes.</summary>
    /// <returns>The metadata.</returns>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    public static string Read(string path, IEnumerable<(string Name, Tensor Value)> tensors)
    {
        using var file = File.OpenRead(path);
        var header = Header(file);
        var start = file.Position;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, value) in tensors)
        {
            if (header[name] is not { } entry || !entry["shape"]!.Deserialize<long[]>()!.SequenceEqual(value.shape))
                throw new InvalidDataException($"{path} has no tensor {name} of shape [{string.Join(", ", value.shape)}]");
            file.Position = start + entry["data_offsets"]![0]!.GetValue<long>();
            var bytes = new byte[value.NumberOfElements * value.ElementSize];
            file.ReadExactly(bytes);
            if (value.dtype == ScalarType.Int64)
                value.copy_(tensor(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), value.shape));
            else
                value.copy_(tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), value.shape));
        }
        return header["__metadata__"]!["affect"]!.GetValue<string>();
    }

    private static JsonNode Header(FileStream file)
    {
        Span<byte> length = stackalloc byte[8];
        file.ReadExactly(length);
        var text = new byte[BitConverter.ToInt64(length)];
        file.ReadExactly(text);
        return JsonNode.Parse(text)!;
    }
}
