using System.Text.Json;
using System.Text.Json.Nodes;
using Affect.Gateway;
using Affect.Hosting;
using Affect.V1;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;

namespace Affect.UnitTests.Gateway;

/// <summary>Compares the OpenAPI document, which is written by hand, with the protos and the routes.</summary>
public sealed class OpenApiTests
{
    private static readonly JsonNode Document = JsonNode.Parse(Pages.OpenApi)!;

    public static TheoryData<string> Messages { get; } =
        [.. Reachable(Clip.Descriptor, Analysis.Descriptor, ListModelsResponse.Descriptor, Model.Descriptor).Select(message => message.Name)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Schema_Message_HasItsFields(string name)
    {
        var message = Reachable(Clip.Descriptor, Analysis.Descriptor, ListModelsResponse.Descriptor).Single(known => known.Name == name);
        var schema = Schema(name);
        var properties = schema["properties"]!.AsObject();

        Assert.Equal(
            message.Fields.InFieldNumberOrder().Select(field => $"{field.Name}: {Type(field)}").Order(),
            properties.Select(property => $"{property.Key}: {Type(property.Value!)}").Order());
        // Only messages may be absent from an answer: defaults are written.
        if (name != Clip.Descriptor.Name)
            Assert.Equal(
                message.Fields.InFieldNumberOrder().Where(field => field.IsRepeated || field.FieldType != FieldType.Message)
                    .Select(field => field.Name).Order(),
                (schema["required"]?.AsArray() ?? []).Select(required => (string)required!).Order());
    }

    [Fact]
    public void Schema_Enum_HasItsValues() => Assert.All(
        [
            Judgement.Descriptor.FindFieldByName("outcome").EnumType,
            Judgement.Descriptor.FindFieldByName("emotion").EnumType,
            AudioChannel.Descriptor.FindFieldByName("role").EnumType,
            Model.Descriptor.FindFieldByName("modality").EnumType,
            ModelInput.Descriptor.FindFieldByName("features").EnumType,
        ],
        values => Assert.Equal(
            values.Values.Select(value => value.Name),
            Schema(values.Name)["enum"]!.AsArray().Select(value => (string)value!)));

    [Fact]
    public void Schemas_OfDocument_MatchMessages() => Assert.Equal(
        Messages.Select(row => row.Data).Concat(["Duration", "Problem", "Outcome", "Emotion", "Modality", "FeatureKind", "SpeakerRole"]).Order(),
        Document["components"]!["schemas"]!.AsObject().Select(schema => schema.Key).Order());

    [Fact]
    public void References_OfDocument_Resolve()
    {
        foreach (var reference in References(Document))
        {
            var node = Document;
            foreach (var step in reference.Split('/').Skip(1))
                node = node?[step];
            Assert.True(node is not null, $"{reference} does not resolve");
        }
    }

    [Fact]
    public void Multipart_Parts_MatchFieldsOfClip()
    {
        var parts = Document["paths"]!["/v1/analyze"]!["post"]!["requestBody"]!["content"]!["multipart/form-data"]!["schema"]!["properties"]!.AsObject();

        Assert.Equal(
            Clip.Descriptor.Fields.InFieldNumberOrder().Select(field => field.Name == "images" ? "image" : field.Name).Order(),
            parts.Select(part => part.Key).Order());
    }

    [Fact]
    public async Task Paths_OfDocument_MatchMappedRoutes()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Gateway:RequireApiKey"] = "false" });
        builder.AddAffectDefaults("affect-gateway", http: true);
        builder.AddGateway();
        await using var app = builder.Build();
        app.MapGateway();

        var mapped = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.RawText!.StartsWith("/v1/", StringComparison.Ordinal))
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Where(method => method != "HEAD")
                .Select(method => $"{method.ToLowerInvariant()} {endpoint.RoutePattern.RawText}"));
        var documented = Document["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject().Select(operation => $"{operation.Key} {path.Key}"));

        Assert.Equal(mapped.Order(), documented.Order());
    }

    private static JsonNode Schema(string name) =>
        Document["components"]!["schemas"]![name] ?? throw new InvalidOperationException($"no schema {name}");

    private static string Type(FieldDescriptor field)
    {
        var type = field.FieldType switch
        {
            FieldType.Message => field.MessageType.Name,
            FieldType.Enum => field.EnumType.Name,
            FieldType.Float => "number float",
            FieldType.Double => "number double",
            FieldType.Int32 => "integer int32",
            FieldType.Int64 => "string int64", // JSON's numbers do not hold all of them
            FieldType.Bool => "boolean",
            FieldType.String => "string",
            FieldType.Bytes => "string base64",
            _ => throw new NotSupportedException(field.FullName),
        };
        return field.IsRepeated ? $"list of {type}" : type;
    }

    private static string Type(JsonNode schema)
    {
        if ((string?)schema["$ref"] is { } reference)
            return reference.Split('/')[^1];
        return (string)schema["type"]! == "array"
            ? $"list of {Type(schema["items"]!)}"
            : string.Join(' ', ((string?[])[(string?)schema["type"], (string?)schema["format"], (string?)schema["contentEncoding"]]).OfType<string>());
    }

    private static HashSet<MessageDescriptor> Reachable(params MessageDescriptor[] roots)
    {
        var found = new HashSet<MessageDescriptor>();
        var open = new Stack<MessageDescriptor>(roots);
        while (open.TryPop(out var message))
            if (message != Duration.Descriptor && found.Add(message))
                foreach (var field in message.Fields.InFieldNumberOrder().Where(field => field.FieldType == FieldType.Message))
                    open.Push(field.MessageType);
        return found;
    }

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject json => json.SelectMany(property =>
            property.Key == "$ref" && property.Value!.GetValueKind() == JsonValueKind.String ? [(string)property.Value!] : References(property.Value)),
        JsonArray list => list.SelectMany(References),
        _ => [],
    };
}
