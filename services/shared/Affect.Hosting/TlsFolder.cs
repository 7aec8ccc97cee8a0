using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Affect.Hosting;

/// <summary>
/// A TLS secret as Kubernetes mounts it: <c>tls.crt</c> (with intermediate certificates), <c>tls.key</c>, and optionally
/// <c>ca.crt</c>, the authority that must have issued the certificates of the other side. Read again every ten seconds, because
/// certificates are renewed while the process runs. Thread-safe.
/// </summary>
public sealed class TlsFolder
{
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(10);
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Lock _reading = new();
    private Contents _contents;
    private long _read;

    /// <summary>Reads the folder.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="CryptographicException">A file is not a PEM certificate or key.</exception>
    /// <exception cref="ArgumentException">The key does not match the certificate.</exception>
    public TlsFolder(string path, TimeProvider? time = null)
    {
        (_path, _time) = (path, time ?? TimeProvider.System);
        _contents = Contents.Read(path);
        _read = _time.GetTimestamp();
    }

    /// <summary>Returns the first error of a folder; null if it is valid.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="authority">True if ca.crt is required.</param>
    public static string? Validate(string path, bool authority)
    {
        try
        {
            var contents = Contents.Read(path);
            return authority && contents.Authorities.Count == 0
                ? $"'{path}' must contain ca.crt."
                : null;
        }
        catch (Exception exception) when (IsUnusable(exception))
        {
            return $"'{path}' must contain tls.crt and its tls.key: {exception.Message}";
        }
    }

    /// <summary>Options of a server; each new connection uses the current contents.</summary>
    /// <param name="requireClientCertificate">True if ca.crt must have issued the client's certificate.</param>
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

    /// <summary>Options of a client that presents the certificate and accepts servers whose names and issuer match.</summary>
    public SslClientAuthenticationOptions ClientOptions() => new()
    {
        LocalCertificateSelectionCallback = (_, _, _, _, _) => Current().Certificate.TargetCertificate,
        RemoteCertificateValidationCallback = (_, certificate, sent, errors) =>
        {
            // Chain errors against the machine's store do not count: the chain is built against ca.crt instead.
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

    /// <summary>A key that does not match its certificate is an ArgumentException.</summary>
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
                // Files do not match while they are being replaced; the last valid contents stay in use.
            }
            return _contents;
        }
    }

    /// <summary>Contents of the files. Not disposed: handshakes in progress may still use them.</summary>
    private sealed record Contents(SslStreamCertificateContext Certificate, X509Certificate2Collection Authorities)
    {
        public static Contents Read(string path)
        {
            var certificate = Path.Combine(path, "tls.crt");
            var intermediates = new X509Certificate2Collection();
            intermediates.ImportFromPemFile(certificate);
            var authorities = new X509Certificate2Collection();
            if (Path.Combine(path, "ca.crt") is var authority && File.Exists(authority))
                authorities.ImportFromPemFile(authority);
            return new(
                SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate, Path.Combine(path, "tls.key")), intermediates, offline: true),
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
