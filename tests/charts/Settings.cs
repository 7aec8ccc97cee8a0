using System.Collections;
using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Speech;

namespace Affect.ChartTests;

/// <summary>The settings of the services, from the types that bind them.</summary>
internal static class Settings
{
    private static readonly Dictionary<string, Type> Sections = new()
    {
        ["Server"] = typeof(ServerOptions),
        ["Gateway"] = typeof(GatewayOptions),
        ["Fusion"] = typeof(FusionOptions),
        ["Features"] = typeof(FeaturesOptions),
        ["Speech"] = typeof(SpeechOptions),
        ["Face"] = typeof(FaceOptions),
    };

    /// <summary>True if an environment variable is a setting, such as Fusion__Alerts__angry__Above, or has no section.</summary>
    public static bool IsKnown(string variable)
    {
        var path = variable.Split("__");
        if (path.Length == 1)
            return true;
        if (!Sections.TryGetValue(path[0], out var type))
            return false;
        foreach (var key in path[1..])
        {
            // A dictionary key or a list index selects an element.
            type = type!.IsGenericType && type.IsAssignableTo(typeof(IEnumerable))
                ? type.GetGenericArguments()[^1]
                : type.GetProperty(key)?.PropertyType;
            if (type is null)
                return false;
        }
        return true;
    }
}
