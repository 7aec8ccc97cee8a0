using Affect.Training.Commands;

namespace Affect.UnitTests.Training;

/// <summary>Skips training tests on systems where the native library of torch cannot be loaded.</summary>
internal static class Torch
{
    private static readonly string? Missing = Load();

    /// <summary>Skips the test if torch cannot be loaded, with the error text of the command line.</summary>
    public static void Require() => Assert.SkipWhen(Missing is not null, Missing ?? "");

    private static string? Load()
    {
        try
        {
            CommonOptions.StartTorch(1);
            return null;
        }
        catch (IOException exception)
        {
            return exception.Message;
        }
    }
}
