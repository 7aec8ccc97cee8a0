using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Affect.Testing;

/// <summary>
/// A network namespace of Linux with its own loopback interface and its own name server (dnsmasq), whose names can change at any time.
/// Programs that run in it resolve <c>NAME.affect.test</c>.
/// </summary>
public sealed partial class TestNetwork : IAsyncDisposable
{
    private const string Domain = "affect.test", NameServer = "127.0.0.53";
    private const int NetworkNamespace = 0x40000000; // CLONE_NEWNET

    private static readonly Lazy<string?> WhyNotHere = new(FindObstacle);
    private static int _count;

    private readonly string _name = $"affect-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-dns-").FullName;
    private readonly Dictionary<string, IReadOnlyList<string>> _addresses = [];
    private readonly Lock _lock = new();
    private Process? _dns;

    private TestNetwork()
    {
    }

    /// <summary>The reason why a network cannot be created here; null if it can.</summary>
    public static string? Obstacle => WhyNotHere.Value;

    private string HostsFile => Path.Combine(_folder, "hosts");

    /// <summary>Creates the namespace and starts its name server, which has no names yet.</summary>
    public static TestNetwork Create()
    {
        var network = new TestNetwork();
        Run("ip", "netns", "add", network._name);
        network.Ip("link", "set", "lo", "up");
        // "ip netns exec" mounts it over /etc/resolv.conf.
        Directory.CreateDirectory(network.Etc);
        File.WriteAllText(Path.Combine(network.Etc, "resolv.conf"), $"nameserver {NameServer}\n");
        File.WriteAllText(network.HostsFile, "");
        network._dns = Process.Start(network.Inside("dnsmasq",
        [
            "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user=root", "--no-resolv", "--no-hosts", $"--local=/{Domain}/",
            $"--listen-address={NameServer}", "--bind-interfaces", $"--addn-hosts={network.HostsFile}", "--log-facility=/dev/null",
        ]))!;
        return network;
    }

    /// <summary>The full name of a host: "fusion.affect.test".</summary>
    public static string FullName(string host) => $"{host}.{Domain}";

    /// <summary>Changes the addresses of a name; without addresses the name does not exist.</summary>
    public void SetAddresses(string host, params IReadOnlyList<string> addresses)
    {
        lock (_lock)
        {
            _addresses[host] = addresses;
            File.WriteAllLines(HostsFile + ".new", _addresses.SelectMany(name => name.Value.Select(address => $"{address} {FullName(name.Key)}")));
            File.Move(HostsFile + ".new", HostsFile, overwrite: true);
        }

        Run("kill", "-HUP", $"{_dns!.Id}");
    }

    /// <summary>Runs <c>ip</c> in the namespace.</summary>
    public void Ip(params string[] arguments) => Run("ip", ["-n", _name, .. arguments]);

    /// <summary>A program that runs in the namespace, as a process of the same id.</summary>
    public ProcessStartInfo Inside(string program, IEnumerable<string> arguments) => new("ip", ["netns", "exec", _name, program, .. arguments]);

    /// <summary>A handler whose connections are made in the namespace.</summary>
    public SocketsHttpHandler CreateHandler() => new()
    {
        ConnectCallback = async (context, cancellation) =>
        {
            var socket = CreateSocket();
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    public async ValueTask DisposeAsync()
    {
        if (_dns is not null)
        {
            _dns.Kill();
            await _dns.WaitForExitAsync();
            _dns.Dispose();
        }

        Run("ip", "netns", "delete", _name);
        Directory.Delete(Etc, recursive: true);
        Directory.Delete(_folder, recursive: true);
    }

    private string Etc => $"/etc/netns/{_name}";

    /// <summary>A socket stays in the namespace of the thread that created it.</summary>
    private Socket CreateSocket()
    {
        Socket? socket = null;
        var thread = new Thread(() =>
        {
            using var file = File.OpenHandle($"/run/netns/{_name}");
            if (SetNamespace(file, NetworkNamespace) == 0)
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        });
        thread.Start();
        thread.Join();
        return socket ?? throw new InvalidOperationException($"The namespace {_name} cannot be entered.");
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeHandle file, int type);

    private static string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux())
            return "Network namespaces are Linux's.";
        if (!Environment.IsPrivilegedProcess)
            return "Network namespaces require root.";
        try
        {
            Run("dnsmasq", "--version");
            var probe = $"affect-{Environment.ProcessId}-0";
            Run("ip", "netns", "add", probe);
            try
            {
                Run("ip", "netns", "exec", probe, "true");
            }
            finally
            {
                Run("ip", "netns", "delete", probe);
            }

            return null;
        }
        catch (Win32Exception)
        {
            return "ip (iproute2) and dnsmasq (dnsmasq-base) are not installed.";
        }
        catch (InvalidOperationException exception)
        {
            return $"Network namespaces are not permitted here: {exception.Message}";
        }
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = new StringBuilder();
        process.OutputDataReceived += (_, line) => output.AppendLine(line.Data);
        process.ErrorDataReceived += (_, line) => output.AppendLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {output.ToString().Trim()}");
    }
}
