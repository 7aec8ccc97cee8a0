using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Affect.Gateway.Events;

/// <summary>An event of a call, in the form of a CloudEvent (https://cloudevents.io, 1.0).</summary>
/// <param name="Id">Unique for each event.</param>
/// <param name="Name">One of <see cref="Names"/>.</param>
/// <param name="Session">The call's session id, which the client may choose.</param>
/// <param name="Tenant">Owner of the call; empty for anonymous clients.</param>
/// <param name="Time">Time of creation.</param>
/// <param name="Data">A JSON object.</param>
internal sealed record CallEvent(string Id, string Name, string Session, string Tenant, DateTimeOffset Time, string Data)
{
    public const string Started = "started";
    public const string Window = "window";
    public const string Alert = "alert";
    public const string Ended = "ended";

    /// <summary>Keeps the sidecar from wrapping the event in another CloudEvent.</summary>
    public const string ContentType = "application/cloudevents+json";

    private const string Prefix = "dev.affect.call.";
    private const string Suffix = ".v1";

    private static readonly string[] Names = [Started, Window, Alert, Ended];

    /// <summary>The event as it is sent to the broker and to dashboards.</summary>
    public byte[] ToJson()
    {
        var output = new ArrayBufferWriter<byte>(Data.Length + 512);
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            json.WriteString("specversion", "1.0");
            json.WriteString("id", Id);
            json.WriteString("source", "/affect/gateway");
            json.WriteString("type", Prefix + Name + Suffix);
            json.WriteString("subject", Session);
            json.WriteString("time", Time.UtcDateTime);
            json.WriteString("datacontenttype", "application/json");
            json.WritePropertyName("data");
            json.WriteRawValue(Data, skipInputValidation: true);
            json.WriteEndObject();
        }
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Parses an event from the broker, which may have added attributes. Returns null for an event of any other kind.</summary>
    public static CallEvent? Parse(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object
            || GetString(json, "id") is not { } id || id.AsSpan().ContainsAny('\r', '\n')
            || GetString(json, "type") is not { } type || Array.Find(Names, name => type == Prefix + name + Suffix) is not { } name
            || GetString(json, "subject") is not { } session
            || !json.TryGetProperty("time", out var at) || at.ValueKind != JsonValueKind.String || !at.TryGetDateTimeOffset(out var time)
            || !json.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object
            || GetString(data, "tenant") is not { } tenant)
            return null;
        return new(id, name, session, tenant, time, data.GetRawText());
    }

    private static string? GetString(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public override string ToString() => Encoding.UTF8.GetString(ToJson());
}
