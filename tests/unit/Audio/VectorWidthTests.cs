using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text.RegularExpressions;

namespace Affect.UnitTests.Audio;

/// <summary>
/// Runs the tests of this namespace again in a process whose vectors are narrower, so that every SIMD path equals librosa
/// (after FeatureTestRunner of SixLabors/ImageSharp).
/// </summary>
public sealed class VectorWidthTests
{
    [Theory]
    [InlineData(InstructionSetTests.Avx2Variable)]
    [InlineData(InstructionSetTests.Avx512Variable)]
    public async Task AudioTests_InstructionSetDisabled_Pass(string variable)
    {
        Assert.SkipUnless(
            variable == InstructionSetTests.Avx2Variable ? Avx2.IsSupported : Avx512F.IsSupported,
            $"{variable}=0 changes nothing on this processor.");

        var start = new ProcessStartInfo(
            Environment.ProcessPath!,
            ["-namespace", typeof(VectorWidthTests).Namespace!, "-class-", typeof(VectorWidthTests).FullName!, "-noColor", "-noLogo"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[variable] = "0";
        start.Environment.Remove("AFFECT_DATA"); // tests over a whole corpus run once
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(process.ExitCode == 0, $"{variable}=0: exit code {process.ExitCode}{Environment.NewLine}{output}");
        var total = Regex.Match(output, @"Total: (\d+)");
        Assert.True(total.Success && int.Parse(total.Groups[1].Value) > Golden.Names.Count, output);
    }
}

/// <summary>Proves in the child process that the environment variable has an effect.</summary>
public sealed class InstructionSetTests
{
    public const string Avx2Variable = "DOTNET_EnableAVX2", Avx512Variable = "DOTNET_EnableAVX512";

    [Fact]
    public void Vectors_InstructionSetDisabled_AreNarrower()
    {
        if (IsDisabled(Avx2Variable))
            Assert.Equal((false, false), (Avx2.IsSupported, Vector256.IsHardwareAccelerated));
        if (IsDisabled(Avx2Variable) || IsDisabled(Avx512Variable))
            Assert.Equal((false, false), (Avx512F.IsSupported, Vector512.IsHardwareAccelerated));
    }

    private static bool IsDisabled(string variable) => Environment.GetEnvironmentVariable(variable) == "0";
}
