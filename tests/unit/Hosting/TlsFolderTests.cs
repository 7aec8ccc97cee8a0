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
    public async Task A_renewed_certificate_is_shown_within_a_minute()
    {
        var first = Write("tls.crt", "tls.key");
        var folder = new TlsFolder(_folder, _time);
        Assert.Equal(first, await ShownAsync(folder));

        var second = Write("tls.crt", "tls.key");
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.NotEqual(first, second);
        Assert.Equal(second, await ShownAsync(folder));
    }

    [Fact]
    public async Task Files_that_do_not_fit_together_leave_the_last_good_ones()
    {
        var good = Write("tls.crt", "tls.key");
        var folder = new TlsFolder(_folder, _time);

        Write("tls.crt", "tls.key.not-there-yet");
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(good, await ShownAsync(folder));
    }

    [Fact]
    public void Without_an_authority_a_folder_serves_but_trusts_nobody()
    {
        Write("tls.crt", "tls.key");
        Assert.Null(TlsFolder.Mistake(_folder, authority: false));
        Assert.Contains("ca.crt", TlsFolder.Mistake(_folder, authority: true));
    }

    [Fact]
    public void A_key_of_another_certificate_is_a_mistake()
    {
        Write("tls.crt", "tls.key");
        Write("tls.crt", "other.key");
        Assert.Contains(_folder, TlsFolder.Mistake(_folder, authority: false));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The thumbprint of what a new connection would be shown.</summary>
    private static async Task<string> ShownAsync(TlsFolder folder)
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
