using Affect.Fuzz.Mutation;
using Affect.V1;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>Unary gRPC requests: values, wire format, length prefixes and metadata.</summary>
internal static class GrpcTarget
{
    private static readonly (string Method, byte[] Message)[] Others =
    [
        ("/affect.v1.EmotionService/ListModels", new ListModelsRequest { Modality = Modality.Speech }.ToByteArray()),
        ("/affect.v1.EmotionService/GetModel", new GetModelRequest { Name = "tiny-speech" }.ToByteArray()),
        ("/affect.v1.EmotionService/Nonsuch", []),
        ("/grpc.health.v1.Health/Check", [0x0A, 4, .. "live"u8]),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", [0x22, 4, .. "live"u8]),
    ];

    private static readonly (string, string)[] Metadata =
    [
        ("grpc-timeout", "1n"), ("grpc-timeout", "99999999H"), ("grpc-timeout", "-1S"), ("grpc-timeout", "x"), ("grpc-encoding", "gzip"),
        ("grpc-encoding", "br"),
        ("x-api-key", "wrong"), ("x-api-key", "\u00e9"), ("authorization", "Bearer x"), ("affect-tenant-bin", "AAAA"),
        ("affect-tenant-bin", "!"), ("a-bin", "=="),
        ("x", new('x', 8_000)), ("origin", "http://evil.example"), ("host", "evil.example"), ("connection", "close"), ("Upper", "case"),
        ("user-agent", "\u001b[31m"),
        ("grpc-accept-encoding", ",,,"), ("content-length", "3"),
    ];

    public static Case Create(Random random)
    {
        var (method, message) = random.Chance(0.6) ? ("/affect.v1.EmotionService/Analyze", Analyze(random)) : random.Pick(Others);
        message = random.Chance(0.6) ? Wire.Mutate(random, message) : message;
        var body = random.Next(20) switch
        {
            0 => Http2.Message((byte)random.Next(256), message.Length, message),
            1 => Http2.Message(0, (int)random.Pick(Hostile.Integers), message),
            2 => [.. Http2.Message(message), .. Http2.Message(message)],
            3 => Bytes.Mutate(random, Http2.Message(message)),
            _ => Http2.Message(message),
        };
        return Http2.Call(method, body, random.Chance(0.2) ? [random.Pick(Metadata)] : []);
    }

    private static byte[] Analyze(Random random)
    {
        var clip = random.Pick(Seeds.Clips);
        return new AnalyzeRequest { Clip = random.Chance(0.7) ? Message.Mutate(random, clip) : clip }.ToByteArray();
    }
}
