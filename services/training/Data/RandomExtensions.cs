namespace Affect.Training.Data;

internal static class RandomExtensions
{
    /// <summary>A uniformly distributed number, [low, high).</summary>
    public static float NextSingle(this Random random, float low, float high) => low + (high - low) * random.NextSingle();
}
