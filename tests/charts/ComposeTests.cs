using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Affect.ChartTests;

/// <summary>Checks deploy/docker/compose.yaml without running it.</summary>
public sealed class ComposeTests
{
    private static readonly string[] Names = ["face", "features", "fusion", "gateway", "speech"];

    private static readonly Compose File = Read();

    [Fact]
    public void Compose_Services_RunWithoutPrivileges()
    {
        Assert.Equal(Names, File.Services.Keys.Order());
        foreach (var (name, service) in File.Services)
        {
            Assert.Equal($"affect/{name}:${{TAG:-0.1.0}}", service.Image);
            Assert.True(service.ReadOnly);
            Assert.Equal(["ALL"], service.CapDrop);
            Assert.Equal(["no-new-privileges:true"], service.SecurityOpt);
            // Only the gateway is reachable, and only from this host, because it requires no key.
            Assert.Equal(name == "gateway", service.Ports.Count > 0);
            Assert.All(service.Ports, port => Assert.StartsWith("127.0.0.1:", port));
        }
    }

    [Fact]
    public void Compose_Environment_MatchesOptionsAndServices()
    {
        foreach (var (variable, value) in File.Services.Values.SelectMany(service => service.Environment))
        {
            Assert.True(Settings.IsKnown(variable), variable);
            if (variable.EndsWith("Address", StringComparison.Ordinal))
                Assert.Contains(value["dns:///".Length..], Names.Select(name => $"{name}:8081"));
        }
    }

    private static Compose Read()
    {
        using var file = System.IO.File.OpenText(Path.Combine(AppContext.BaseDirectory, "compose.yaml"));
        return new DeserializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance).IgnoreUnmatchedProperties().Build()
            .Deserialize<Compose>(new MergingParser(new Parser(file)));
    }

    private sealed class Compose
    {
        public Dictionary<string, Service> Services { get; set; } = [];
    }

    private sealed class Service
    {
        public string Image { get; set; } = "";
        public bool ReadOnly { get; set; }
        public List<string> CapDrop { get; set; } = [];
        public List<string> SecurityOpt { get; set; } = [];
        public List<string> Ports { get; set; } = [];
        public Dictionary<string, string> Environment { get; set; } = [];
    }
}
