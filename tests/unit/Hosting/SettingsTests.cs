using System.Collections;
using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Speech;

namespace Affect.UnitTests.Hosting;

/// <summary>The tables of settings, one for each section, hold what the options hold.</summary>
public sealed class SettingsTests
{
    /// <summary>Defaults that are no constants, or long.</summary>
    private static readonly Dictionary<string, string> Words = new()
    {
        [nameof(FeaturesOptions.MaxConcurrency)] = "the cores",
        [nameof(GatewayOptions.Notice)] = "a text",
    };

    public static TheoryData<string, Type> Tables => new()
    {
        { "deploy/README.md", typeof(ServerOptions) },
        { "gateway/server/README.md", typeof(GatewayOptions) },
        { "services/face/README.md", typeof(FaceOptions) },
        { "services/features/README.md", typeof(FeaturesOptions) },
        { "services/fusion/README.md", typeof(FusionOptions) },
        { "services/speech/README.md", typeof(SpeechOptions) },
    };

    [Theory]
    [MemberData(nameof(Tables))]
    public void Every_setting_is_in_the_table_with_its_default_and_no_other(string path, Type options)
    {
        var documented = Document.Rows(path, "setting").SelectMany(Named).ToDictionary();
        var settings = Settings("", Activator.CreateInstance(options)!).ToDictionary();

        Assert.Equal(settings.Keys.Order(), documented.Keys.Order());
        Assert.All(settings, setting => Assert.Contains(documented[setting.Key], Ways(setting.Key, setting.Value)));
    }

    /// <summary>A row may name several settings, with a default for each or one for all.</summary>
    private static IEnumerable<(string Name, string Default)> Named(string[] row)
    {
        var names = row[0].Replace(", …", "", StringComparison.Ordinal).Split(", ");
        var defaults = row[1].Split(", ");
        return names.Select((name, i) => (name.Trim('`'), defaults.Length == 1 ? defaults[0] : defaults[i]));
    }

    private static IEnumerable<(string Name, object? Default)> Settings(string prefix, object options)
    {
        foreach (var property in options.GetType().GetProperties().Where(property => property.SetMethod is { IsPublic: true }))
        {
            var (name, type, value) = (prefix + property.Name, property.PropertyType, property.GetValue(options));
            if (type.IsAssignableTo(typeof(IDictionary)) && type.GetGenericArguments()[1] is { IsClass: true } entry)
                foreach (var setting in Settings($"{name}:<name>:", Activator.CreateInstance(entry)!))
                    yield return setting;
            else if (type.IsGenericType && type.IsAssignableTo(typeof(IList<string>)))
                yield return ($"{name}:0", value);
            else if (type.IsClass && type.Assembly == options.GetType().Assembly)
                foreach (var setting in Settings($"{name}:", value!))
                    yield return setting;
            else
                yield return (name, value);
        }
    }

    /// <summary>How a default may be written.</summary>
    private static string[] Ways(string name, object? value) => Words.TryGetValue(name, out var words) ? [words] : value switch
    {
        null or "" or ICollection { Count: 0 } => ["–"],
        bool => [$"`{value}`".ToLowerInvariant()],
        string or Enum => [$"`{value}`"],
        TimeSpan time when time == TimeSpan.Zero => ["0"],
        TimeSpan time => [$"{time.TotalSeconds} s", $"{time.TotalMinutes} min"],
        int number => [$"{number}", $"{number:N0}", $"{number >> 20} MiB"],
        float or double => [$"{value}", $"{value:F2}"],
        _ => throw new ArgumentException($"How a {value.GetType()} is written is not known here.", nameof(value)),
    };
}
