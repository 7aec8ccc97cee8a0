using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Affect.Testing;

/// <summary>One captured log record.</summary>
public sealed record LogRecord(LogLevel Level, string Category, string? Event, string Message, Exception? Exception)
{
    public override string ToString() =>
        $"{Level} {Category} {Event}: {Message}{(Exception is null ? "" : Environment.NewLine + Exception)}";
}

/// <summary>
/// Keeps what services log from Information up, and fails whoever asks where an error was logged that
/// nobody expected (after grpc-dotnet's VerifyNoErrorsScope).
/// </summary>
public sealed class LogCapture : ILoggerProvider
{
    private readonly ConcurrentQueue<LogRecord> _records = new();
    private readonly ConcurrentDictionary<string, bool> _expected = new();

    /// <summary>All records so far, in the order of time.</summary>
    public IReadOnlyCollection<LogRecord> Records => _records;

    /// <summary>Errors of this event name are part of the test.</summary>
    public void Expect(string eventName) => _expected[eventName] = true;

    /// <summary>Throws where an error was logged whose event nobody expected.</summary>
    public void ThrowOnUnexpectedErrors()
    {
        var errors = _records.Where(record =>
            record.Level >= LogLevel.Error && !(record.Event is { } name && _expected.ContainsKey(name))).ToList();
        if (errors.Count > 0)
            throw new InvalidOperationException(
                $"{errors.Count} unexpected error(s) in the log:{Environment.NewLine}{string.Join(Environment.NewLine, errors)}");
    }

    ILogger ILoggerProvider.CreateLogger(string categoryName) => new Logger(this, categoryName);

    void IDisposable.Dispose()
    {
        // Records outlive the host that wrote them.
    }

    private sealed class Logger(LogCapture capture, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                capture._records.Enqueue(new LogRecord(logLevel, category, eventId.Name, formatter(state, exception), exception));
        }
    }
}
