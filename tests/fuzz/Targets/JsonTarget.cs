using System.Text;
using Affect.Fuzz.Mutation;
using Google.Protobuf;

namespace Affect.Fuzz.Targets;

/// <summary>JSON bodies of POST /v1/analyze.</summary>
internal static class JsonTarget
{
    public static Case Create(Random random)
    {
        var json = Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(random.Pick(Seeds.Clips)));
        return Http1.Post("/v1/analyze", Json.Mutate(random, json), "Content-Type: application/json");
    }
}
