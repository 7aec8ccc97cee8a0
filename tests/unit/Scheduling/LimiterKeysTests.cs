using Affect.Features;
using Affect.Fusion;
using Affect.Hosting;
using Affect.Scheduling;
using Microsoft.AspNetCore.Builder;

namespace Affect.UnitTests.Scheduling;

public sealed class LimiterKeysTests
{
    [Fact]
    public void OneProcess_LimitersOfItsServices_AreSeparate()
    {
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.AddAffectDefaults("affect");
        builder.AddFeatures();
        builder.AddFusion();

        var keys = builder.Services.Where(service => service.ServiceType == typeof(FairLimiter)).Select(service => service.ServiceKey).ToList();

        Assert.Equal(7, keys.Count);
        Assert.Equal(keys, keys.Distinct());
    }
}
