using System.CommandLine;
using Affect.Client;

namespace Affect.Cli;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    public static readonly Option<string?> SpeechModel = new("--speech-model")
    {
        Description = "Speech model; see 'affect models' [default: the server's]",
        HelpName = "NAME",
    };

    public static readonly Option<string?> FaceModel = new("--face-model")
    {
        Description = "Face model; see 'affect models' [default: the server's]",
        HelpName = "NAME",
    };

    public static readonly Option<double?> Hop = new Option<double?>("--hop")
    {
        Description = "Seconds from the start of one window to the start of the next, 0.1 to 10 [default: 1]",
        HelpName = "SECONDS",
    }.WithRange(0.1, 10, " seconds");

    /// <summary>The roles of the channels of files.</summary>
    public static readonly Option<string?> Channels = new Option<string?>("--channels")
    {
        Description = "Role of the speaker on each channel: customer, agent or unknown; emotions of customers only [default: analyze every channel]",
        HelpName = "ROLE,...",
    }.WithRoles();

    /// <summary>The value of <see cref="Channels"/>; empty if the option is absent.</summary>
    public static IReadOnlyList<SpeakerRole> GetChannels(this ParseResult parsed) => ParseRoles(parsed.GetValue(Channels)) ?? [];

    /// <summary>Adds a validator for a list of roles.</summary>
    public static Option<string?> WithRoles(this Option<string?> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && ParseRoles(result.GetValueOrDefault<string?>()) is null)
                result.AddError($"{option.Name} must be a list of customer, agent and unknown, as in customer,agent");
        });
        return option;
    }

    /// <summary>The roles in a list; null if one of them is invalid.</summary>
    public static List<SpeakerRole>? ParseRoles(string? list)
    {
        var roles = new List<SpeakerRole>();
        foreach (var name in list?.Split(',', StringSplitOptions.TrimEntries) ?? [])
            if (char.IsAsciiLetter(name.FirstOrDefault()) && Enum.TryParse<SpeakerRole>(name, ignoreCase: true, out var role))
                roles.Add(role);
            else
                return null;
        return roles;
    }

    /// <summary>The value of <see cref="Hop"/>, or null if the option is absent.</summary>
    public static TimeSpan? GetHop(this ParseResult parsed) => parsed.GetValue(Hop) is { } hop ? TimeSpan.FromSeconds(hop) : null;

    /// <summary>Adds a validator for an inclusive range.</summary>
    public static TOption WithRange<TOption, T>(this TOption option, T min, T max, string unit = "")
        where TOption : Option
        where T : IComparable<T>
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.GetValueOrDefault<T>() is { } value && !(value.CompareTo(min) >= 0 && value.CompareTo(max) <= 0))
                result.AddError($"{option.Name} must be from {min} to {max}{unit}");
        });
        return option;
    }
}
