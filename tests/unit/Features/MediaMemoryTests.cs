using Affect.Features;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.Options;

namespace Affect.UnitTests.Features;

public sealed class MediaMemoryTests
{
    [Fact]
    public void Reserve_MoreBytesThanAreLeft_IsResourceExhaustedWithRetryInfo()
    {
        var memory = new MediaMemory(Options.Create(new FeaturesOptions { MaxPendingBytes = 100 }));
        using (memory.Reserve("a", 40))
        {
            AssertRejected(() => memory.Reserve("a", 20));
            using (memory.Reserve("b", 50))
                AssertRejected(() => memory.Reserve("c", 20));
        }
        memory.Reserve("a", 50).Dispose();

        static void AssertRejected(Action reserve)
        {
            var rejection = Assert.Throws<RpcException>(reserve);
            Assert.Equal(StatusCode.ResourceExhausted, rejection.StatusCode);
            Assert.NotNull(rejection.GetRpcStatus()!.GetDetail<RetryInfo>());
        }
    }

    [Fact]
    public void Reserve_GarbageOfFormerFiles_IsCollected()
    {
        var memory = new MediaMemory(Options.Create(new FeaturesOptions()));
        memory.Discard(64 << 20);
        var before = GC.CollectionCount(GC.MaxGeneration);
        memory.Reserve("a", 1).Dispose();
        Assert.True(GC.CollectionCount(GC.MaxGeneration) > before);
    }
}
