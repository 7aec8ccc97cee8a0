using Affect.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Affect.UnitTests.Hosting;

public sealed partial class LogTextTests
{
    [Theory]
    [InlineData("plain text", "plain text")]
    [InlineData("Grüße, 世界 🙂", "Grüße, 世界 🙂")]
    [InlineData("a\r\nerror: forged", "a\\r\\nerror: forged")]
    [InlineData("\u001b[31mred\u001b[0m", "\\u001b[31mred\\u001b[0m")]
    [InlineData("\u0085 \u2028 \u202e \u0000 \u007f \u009b", "\\u0085 \\u2028 \\u202e \\u0000 \\u007f \\u009b")]
    public void Escape_AnyText_HasNoControlCharacters(string text, string escaped) => Assert.Equal(escaped, LogText.Escape(text, 100));

    [Fact]
    public void Escape_LongText_IsShortened() => Assert.Equal("aaaa… (9000 characters)", LogText.Escape(new string('a', 9000), 4));

    [Fact]
    public void Log_ArgumentOfClient_IsBoundedAndEscapedInMessageAndState()
    {
        var (logger, logs) = Create();

        var reason = new string('x', 100_000);
        Rejected(logger, "/\r\nfail: forged\u001b[2J", reason, 7);

        var record = logs.LatestRecord;
        Assert.StartsWith("Rejected /\\r\\nfail: forged\\u001b[2J: xxx", record.Message, StringComparison.Ordinal);
        Assert.EndsWith(" after 7", record.Message, StringComparison.Ordinal);
        Assert.InRange(record.Message.Length, 1, 700);
        Assert.Equal("/\\r\\nfail: forged\\u001b[2J", record.GetStructuredStateValue("Path"));
        Assert.InRange(record.GetStructuredStateValue("Reason")!.Length, 512, 600);
        Assert.Equal("Rejected {Path}: {Reason} after {Count}", record.GetStructuredStateValue("{OriginalFormat}"));
        Assert.Equal("test.rejected", record.Id.Name);
    }

    [Fact]
    public void Log_ExceptionWithTextOfClient_IsEscapedAndKeepsItsStack()
    {
        var (logger, logs) = Create();
        var thrown = Assert.Throws<InvalidOperationException>(void () => throw new InvalidOperationException("outer", new FormatException("\u001b[2J\nfail: forged")));

        Failed(logger, thrown);

        var text = logs.LatestRecord.Exception!.ToString();
        Assert.DoesNotContain('\u001b', text);
        Assert.Contains("System.FormatException: \\u001b[2J\\nfail: forged", text, StringComparison.Ordinal);
        Assert.Contains(nameof(Log_ExceptionWithTextOfClient_IsEscapedAndKeepsItsStack), text, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_PlainException_IsUnchanged()
    {
        var (logger, logs) = Create();
        var exception = new InvalidOperationException("plain");

        Failed(logger, exception);

        Assert.Same(exception, logs.LatestRecord.Exception);
    }

    [LoggerMessage(EventName = "test.rejected", Level = LogLevel.Information, Message = "Rejected {Path}: {Reason} after {Count}")]
    private static partial void Rejected(ILogger logger, string path, string reason, int count);

    [LoggerMessage(EventName = "test.failed", Level = LogLevel.Error, Message = "Failed")]
    private static partial void Failed(ILogger logger, Exception exception);

    private static (ILogger Logger, FakeLogCollector Logs) Create()
    {
        var logs = new FakeLogCollector();
        var services = new ServiceCollection().AddLogging(logging => logging.AddProvider(new FakeLoggerProvider(logs)));
        services.AddSafeLogText();
        return (services.BuildServiceProvider().GetRequiredService<ILogger<LogTextTests>>(), logs);
    }
}
