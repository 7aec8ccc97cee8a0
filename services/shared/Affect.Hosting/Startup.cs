using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Affect.Hosting;

/// <summary>The start of a process.</summary>
public static class Startup
{
    /// <summary>
    /// Builds the application. If settings are invalid, writes one line for each to standard error, without a stack trace, and exits with 1.
    /// </summary>
    public static WebApplication BuildOrExit(this WebApplicationBuilder builder)
    {
        try
        {
            return builder.Build();
        }
        catch (Exception exception) when (InvalidSettings(exception) is { Count: > 0 } lines)
        {
            foreach (var line in lines)
                Console.Error.WriteLine(line);
            Environment.Exit(1);
            throw;
        }
    }

    /// <summary>A line per invalid setting; empty if the exception has another cause.</summary>
    private static List<string> InvalidSettings(Exception exception) => exception switch
    {
        AggregateException all when all.InnerExceptions.All(inner => inner is OptionsValidationException) =>
            [.. all.InnerExceptions.SelectMany(InvalidSettings)],
        OptionsValidationException invalid => [.. invalid.Failures.Select(failure => $"{Section(invalid.OptionsType)}:{WithoutRepetition(failure)}")],
        // A value that does not have the type of its setting; the message names both.
        InvalidOperationException when exception.Source == typeof(ConfigurationBinder).Assembly.GetName().Name => [exception.Message],
        _ => [],
    };

    /// <summary>FusionOptions is bound to the section Fusion.</summary>
    private static string Section(Type options) => options.Name.EndsWith("Options", StringComparison.Ordinal) ? options.Name[..^"Options".Length] : options.Name;

    /// <summary>Validators put the name of a member before each message, and messages of dictionaries and lists name their element.</summary>
    private static string WithoutRepetition(string failure)
    {
        var name = failure.IndexOf(": ", StringComparison.Ordinal);
        return name > 0 && failure.AsSpan(name + 2).StartsWith(failure.AsSpan(0, name)) ? failure[(name + 2)..] : failure;
    }
}
