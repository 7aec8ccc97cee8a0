using Affect.Training.Commands;

namespace Affect.UnitTests.Training;

/// <summary>Tests that learn need torch, whose native library does not load on every system.</summary>
internal static class Torch
{
    private static readonly string? Missing = Load();

    /// <summary>Skips the test where torch cannot be loaded, with what the command line would say.</summary>
    public static void Require() => Assert.SkipWhen(Missing is not null, Missing ?? "");

    private static string? Load()
    {
        try
        {
            Shared.StartTorch(1);
            return null;
        }
        catch (IOException exception)
        {
            return exception.Message;
        }
    }
}
