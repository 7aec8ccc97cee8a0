using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.Testing;

/// <summary>Assertions on collected log records.</summary>
public static class LogAssertions
{
    /// <summary>Fails if an error was logged (after VerifyNoErrorsScope of grpc-dotnet).</summary>
    public static void ThrowOnErrors(this FakeLogCollector logs)
    {
        var errors = logs.GetSnapshot().Where(record => record.Level >= LogLevel.Error)
            .Select(record => $"{record.Level} {record.Category} {record.Id.Name}: {record.Message} {record.Exception}").ToList();
        if (errors.Count > 0)
            throw new InvalidOperationException(
                $"{errors.Count} unexpected error(s) in the log:{Environment.NewLine}{string.Join(Environment.NewLine, errors)}");
    }
}
