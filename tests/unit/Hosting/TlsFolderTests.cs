using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Affect.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Affect.UnitTests.Hosting;

public sealed class TlsFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("affect-tls-").FullName;
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task ServerOptions_CertificateRenewed_IsPresentedWithinTenSeconds()
    {
        var first = Write("tls.crt", "tls.key");
        var folder = new TlsFolder(_folder, _time);
        Assert.Equal(first, await PresentedAsync(folder));

        var second = Write("tls.crt", "tls.key");
        _time.Advance(TimeSpan.FromSeconds(10));

        Assert.NotEqual(first, second);
        Assert.Equal(second, await PresentedAsync(folder));
    }

    [Fact]
    public async Task ServerOptions_KeyMissingDuringRenewal_KeepsTheLastCertificate()
    {
        var good = Write("tls.crt", "tls.key");
        var folder = new TlsFolder(_folder, _time);

        Write("tls.crt", "tls.key.not-there-yet");
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(good, await PresentedAsync(folder));
    }

    [Fact]
    public void Validate_MissingAuthority_IsRejectedOnlyWhereRequired()
    {
        Write("tls.crt", "tls.key");
        Assert.Null(TlsFolder.Validate(_folder, authority: false));
        Assert.Contains("ca.crt", TlsFolder.Validate(_folder, authority: true));
    }

    [Fact]
    public void Validate_KeyOfAnotherCertificate_IsRejected()
    {
        Write("tls.crt", "tls.key");
        Write("tls.crt", "other.key");
        Assert.Contains(_folder, TlsFolder.Validate(_folder, authority: false));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The thumbprint of the certificate presented to a new connection.</summary>
    private static async Task<string> PresentedAsync(TlsFolder folder)
    {
        var options = folder.ServerOptions(requireClientCertificate: false);
        var answer = await options.OnConnection(null!);
        return answer.ServerCertificateContext!.TargetCertificate.Thumbprint;
    }

    private string Write(string certificateFile, string keyFile)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=affect", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder, certificateFile), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, keyFile), key.ExportPkcs8PrivateKeyPem());
        return certificate.Thumbprint;
    }
}
