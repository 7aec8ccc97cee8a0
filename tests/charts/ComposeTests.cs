using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Affect.ChartTests;

/// <summary>deploy/docker/compose.yaml, without a docker to try it.</summary>
public sealed class ComposeTests
{
    private static readonly string[] Names = ["face", "features", "fusion", "gateway", "speech"];

    private static readonly Compose File = Read();

    [Fact]
    public void It_runs_the_five_services_from_their_images_without_privileges()
    {
        Assert.Equal(Names, File.Services.Keys.Order());
        foreach (var (name, service) in File.Services)
        {
            Assert.Equal($"affect/{name}:${{TAG:-0.1.0}}", service.Image);
            Assert.True(service.ReadOnly);
            Assert.Equal(["ALL"], service.CapDrop);
            Assert.Equal(["no-new-privileges:true"], service.SecurityOpt);
            // Nothing but the gateway is reachable, and that from this host alone, for it asks for no key.
            Assert.Equal(name == "gateway", service.Ports.Count > 0);
            Assert.All(service.Ports, port => Assert.StartsWith("127.0.0.1:", port));
        }
    }

    [Fact]
    public void Its_settings_are_known_and_its_addresses_are_services()
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
