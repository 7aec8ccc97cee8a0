using System.Collections;
using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Speech;

namespace Affect.UnitTests.Hosting;

/// <summary>The tables of settings in the READMEs, one per section, match the options classes.</summary>
public sealed class SettingsTests
{
    /// <summary>Defaults that are computed, or too long for a table.</summary>
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
    public void Table_OptionsOfSection_NamesEverySettingWithItsDefault(string path, Type options)
    {
        var documented = Document.Rows(path, "setting").SelectMany(Named).ToDictionary();
        var settings = Settings("", Activator.CreateInstance(options)!).ToDictionary();

        Assert.Equal(settings.Keys.Order(), documented.Keys.Order());
        Assert.All(settings, setting => Assert.Contains(documented[setting.Key], Spellings(setting.Key, setting.Value)));
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

    /// <summary>Accepted spellings of a default.</summary>
    private static string[] Spellings(string name, object? value) => Words.TryGetValue(name, out var words) ? [words] : value switch
    {
        null or "" or ICollection { Count: 0 } => ["–"],
        bool => [$"`{value}`".ToLowerInvariant()],
        string or Enum => [$"`{value}`"],
        TimeSpan time when time == TimeSpan.Zero => ["0"],
        TimeSpan time => [$"{time.TotalSeconds} s", $"{time.TotalMinutes} min"],
        int number => [$"{number}", $"{number:N0}", $"{number >> 20} MiB"],
        float or double => [$"{value}", $"{value:F2}"],
        _ => throw new ArgumentException($"The spelling of a {value.GetType()} is unknown.", nameof(value)),
    };
}
