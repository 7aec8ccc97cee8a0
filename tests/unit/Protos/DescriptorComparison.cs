using Google.Protobuf.Reflection;

namespace Affect.UnitTests.Protos;

/// <summary>
/// Finds elements of an older descriptor set that a newer one lacks and that readers of the wire format, of JSON or of the generated
/// code would miss. Additions break no reader. (buf's FILE rules, without options.)
/// </summary>
internal static class DescriptorComparison
{
    public static IReadOnlyList<string> Breaks(FileDescriptorSet released, FileDescriptorSet current)
    {
        var messages = Messages(current);
        var enums = Enums(current);
        var methods = Methods(current);
        var breaks = new List<string>();
        foreach (var (name, message) in Messages(released))
            if (messages.TryGetValue(name, out var now))
                breaks.AddRange(message.Field.Select(field => Break(name, field, now)).OfType<string>());
            else
                breaks.Add($"{name} is gone");
        foreach (var (name, enumeration) in Enums(released))
            if (enums.TryGetValue(name, out var now))
                breaks.AddRange(enumeration.Value.Select(value => Break(name, value, now)).OfType<string>());
            else
                breaks.Add($"{name} is gone");
        foreach (var (name, method) in Methods(released))
            if (!methods.TryGetValue(name, out var now))
                breaks.Add($"{name} is gone");
            else if (Signature(method) != Signature(now))
                breaks.Add($"{name} has another signature");
        return breaks;
    }

    private static string? Break(string message, FieldDescriptorProto field, DescriptorProto now)
    {
        var name = $"{message}.{field.Name} ({field.Number})";
        if (now.Field.FirstOrDefault(other => other.Number == field.Number) is not { } other)
            return $"{name} is gone";
        if (other.Name != field.Name)
            return $"{name} is called {other.Name}";
        if (Type(other) != Type(field))
            return $"{name} was {Type(field)}, is {Type(other)}";
        if (other.Label != field.Label)
            return $"{name} was {Lower(field.Label)}, is {Lower(other.Label)}";
        // Presence: an explicit "optional", or the oneof it lies in. A field that becomes "optional" reads as before.
        return OneOf(field, other) ? null : $"{name} lies in another oneof";

        static bool OneOf(FieldDescriptorProto a, FieldDescriptorProto b) =>
            (b.Proto3Optional && !a.HasOneofIndex) || (a.Proto3Optional == b.Proto3Optional && a.HasOneofIndex == b.HasOneofIndex);
    }

    private static string? Break(string enumeration, EnumValueDescriptorProto value, EnumDescriptorProto now)
    {
        var other = now.Value.FirstOrDefault(other => other.Number == value.Number)?.Name ?? "nothing";
        return other == value.Name ? null : $"{enumeration} {value.Number} was {value.Name}, is {other}";
    }

    private static string Type(FieldDescriptorProto field) => field.TypeName.Length > 0 ? field.TypeName : Lower(field.Type);

    private static string Lower<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static (string, bool, string, bool) Signature(MethodDescriptorProto method) =>
        (method.InputType, method.ClientStreaming, method.OutputType, method.ServerStreaming);

    private static Dictionary<string, DescriptorProto> Messages(FileDescriptorSet set)
    {
        var messages = new Dictionary<string, DescriptorProto>();
        foreach (var file in Own(set))
            foreach (var message in file.MessageType)
                Add(file.Package, message);
        return messages;

        void Add(string parent, DescriptorProto message)
        {
            var name = $"{parent}.{message.Name}";
            messages.Add(name, message);
            foreach (var nested in message.NestedType)
                Add(name, nested);
        }
    }

    private static Dictionary<string, EnumDescriptorProto> Enums(FileDescriptorSet set)
    {
        var enums = Own(set).SelectMany(file => file.EnumType.Select(own => ($"{file.Package}.{own.Name}", own)));
        var nested = Messages(set).SelectMany(message => message.Value.EnumType.Select(own => ($"{message.Key}.{own.Name}", own)));
        return enums.Concat(nested).ToDictionary();
    }

    private static Dictionary<string, MethodDescriptorProto> Methods(FileDescriptorSet set) =>
        Own(set).SelectMany(file => file.Service.SelectMany(service =>
            service.Method.Select(method => ($"{file.Package}.{service.Name}.{method.Name}", method)))).ToDictionary();

    // Without what the set imports.
    private static IEnumerable<FileDescriptorProto> Own(FileDescriptorSet set) =>
        set.File.Where(file => file.Package.StartsWith("affect.", StringComparison.Ordinal));
}
