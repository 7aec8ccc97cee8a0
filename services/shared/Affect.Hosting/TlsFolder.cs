using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Affect.Hosting;

/// <summary>
/// A certificate with what it needs, as Kubernetes mounts a TLS secret: <c>tls.crt</c> (with the certificates between it and its
/// authority), <c>tls.key</c>, and the authority that vouches for the other side, <c>ca.crt</c>, without which nobody does. Read again
/// every minute, for certificates are renewed under running processes. Safe to share.
/// </summary>
public sealed class TlsFolder
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMinutes(1);
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Lock _reading = new();
    private Contents _contents;
    private long _read;

    /// <summary>Reads the folder.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="CryptographicException">A file is not what its name says.</exception>
    /// <exception cref="ArgumentException">The key is not the certificate's.</exception>
    public TlsFolder(string path, TimeProvider? time = null)
    {
        (_path, _time) = (path, time ?? TimeProvider.System);
        _contents = Contents.Read(path);
        _read = _time.GetTimestamp();
    }

    /// <summary>What is wrong with a folder; null where nothing is.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="authority">Whether the other side must be vouched for.</param>
    public static string? Mistake(string path, bool authority)
    {
        try
        {
            var contents = Contents.Read(path);
            return authority && contents.Authorities.Count == 0
                ? $"'{path}' holds no ca.crt, so that nobody would be trusted."
                : null;
        }
        catch (Exception exception) when (IsUnusable(exception))
        {
            return $"'{path}' does not hold tls.crt and its tls.key: {exception.Message}";
        }
    }

    /// <summary>For a server; new connections get what the folder holds then.</summary>
    /// <param name="requireClientCertificate">Whether the clients must be vouched for as well.</param>
    public TlsHandshakeCallbackOptions ServerOptions(bool requireClientCertificate) => new()
    {
        OnConnection = _ =>
        {
            var contents = Current();
            return ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = contents.Certificate,
                ClientCertificateRequired = requireClientCertificate,
                CertificateChainPolicy = contents.Trust(),
            });
        },
    };

    /// <summary>For a client that shows the certificate and takes servers that the authority vouches for by their names.</summary>
    public SslClientAuthenticationOptions ClientOptions() => new()
    {
        LocalCertificateSelectionCallback = (_, _, _, _, _) => Current().Certificate.TargetCertificate,
        RemoteCertificateValidationCallback = (_, certificate, sent, errors) =>
        {
            // That this machine does not know the authority is no error: the folder's is asked instead.
            if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0)
                return false;
            using var chain = new X509Chain { ChainPolicy = Current().Trust() };
            chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
            if (sent is not null)
                chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
            using var server = new X509Certificate2(certificate);
            return chain.Build(server);
        },
    };

    /// <summary>A key that is none of the certificate's is an ArgumentException.</summary>
    private static bool IsUnusable(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    private Contents Current()
    {
        lock (_reading)
        {
            if (_time.GetElapsedTime(_read) < Refresh)
                return _contents;
            _read = _time.GetTimestamp();
            try
            {
                _contents = Contents.Read(_path);
            }
            catch (Exception exception) when (IsUnusable(exception))
            {
                // Files that are being replaced do not fit together for a moment; what was good still is.
            }
            return _contents;
        }
    }

    /// <summary>What the files held. Not disposed: handshakes that go on may still use it.</summary>
    private sealed record Contents(SslStreamCertificateContext Certificate, X509Certificate2Collection Authorities)
    {
        public static Contents Read(string path)
        {
            var certificate = Path.Combine(path, "tls.crt");
            var between = new X509Certificate2Collection();
            between.ImportFromPemFile(certificate);
            var authorities = new X509Certificate2Collection();
            if (Path.Combine(path, "ca.crt") is var authority && File.Exists(authority))
                authorities.ImportFromPemFile(authority);
            return new(
                SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate, Path.Combine(path, "tls.key")), between, offline: true),
                authorities);
        }

        public X509ChainPolicy Trust()
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(Authorities);
            return policy;
        }
    }
}
