using System.Collections;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Affect.Hosting;

/// <summary>
/// Bounds and escapes the text of every log record, in every sink: clients choose session ids, paths, names and more. A record cannot
/// contain control characters (new lines, escape sequences of terminals, directions of text), so that none imitates another record.
/// </summary>
internal static class LogText
{
    /// <summary>Characters of one argument, of a message, and of the message of an exception.</summary>
    internal const int MaxArgument = 512, MaxMessage = 4096;

    private const string Original = "{OriginalFormat}";

    /// <summary>Decorates the factory of loggers.</summary>
    public static void AddSafeLogText(this IServiceCollection services)
    {
        services.AddSingleton<LoggerFactory>();
        services.Replace(ServiceDescriptor.Singleton<ILoggerFactory>(provider => new Factory(provider.GetRequiredService<LoggerFactory>())));
    }

    /// <summary>Escapes control characters (\r, \n, \u001b) and shortens the text.</summary>
    public static string Escape(string text, int max)
    {
        if (text.Length <= max && !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;
        var escaped = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (escaped.Length >= max)
                return escaped.Append(CultureInfo.InvariantCulture, $"… ({text.Length} characters)").ToString();
            switch (rune.Value)
            {
                case '\r':
                    escaped.Append("\\r");
                    break;
                case '\n':
                    escaped.Append("\\n");
                    break;
                case var value when IsPrinted(rune):
                    escaped.Append(rune);
                    break;
                case var value:
                    escaped.Append(CultureInfo.InvariantCulture, $"\\u{value:x4}");
                    break;
            }
        }
        return escaped.ToString();
    }

    private static bool IsPrinted(Rune rune) => Rune.GetUnicodeCategory(rune)
        is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);

    private sealed class Factory(LoggerFactory inner) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => new Logger(inner.CreateLogger(categoryName));

        public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

        public void Dispose() => inner.Dispose();
    }

    private sealed class Logger(ILogger inner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!inner.IsEnabled(logLevel))
                return;
            var message = formatter(state, exception);
            List<KeyValuePair<string, object?>> values = [];
            if (state is IEnumerable<KeyValuePair<string, object?>> arguments)
                foreach (var (name, value) in arguments)
                {
                    if (name != Original && value is not (null or IConvertible and not string) && value.ToString() is { Length: > 0 } text
                        && Escape(text, MaxArgument) is var escaped && escaped != text)
                    {
                        values.Add(new(name, escaped));
                        message = message.Replace(text, escaped, StringComparison.Ordinal);
                    }
                    else
                        values.Add(new(name, value));
                }
            inner.Log(
                logLevel, eventId, new State(values, Escape(message, MaxMessage)),
                exception is null ? null : SafeException.Create(exception), (safe, _) => safe.ToString());
        }
    }

    private sealed class State(IReadOnlyList<KeyValuePair<string, object?>> values, string message)
        : IReadOnlyList<KeyValuePair<string, object?>>
    {
        public int Count => values.Count;

        public KeyValuePair<string, object?> this[int index] => values[index];

        public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => values.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public override string ToString() => message;
    }

    /// <summary>Stands in for an exception whose messages had to be escaped.</summary>
    private sealed class SafeException : Exception
    {
        private readonly string _text;
        private readonly string? _stack;

        private SafeException(Exception original, string text)
            : base(Escape(original.Message, MaxMessage)) => (_text, _stack) = (text, original.StackTrace);

        public override string? StackTrace => _stack;

        public static Exception Create(Exception exception)
        {
            var text = exception.ToString();
            var safe = text;
            foreach (var message in Messages(exception))
                if (message.Length > 0 && Escape(message, MaxMessage) is var escaped && escaped != message)
                    safe = safe.Replace(message, escaped, StringComparison.Ordinal);
            return ReferenceEquals(safe, text) ? exception : new SafeException(exception, safe);
        }

        public override string ToString() => _text;

        private static IEnumerable<string> Messages(Exception exception)
        {
            // Longest first: the message of an AggregateException contains those of its inner exceptions.
            yield return exception.Message;
            IEnumerable<Exception> inner = exception is AggregateException many ? many.InnerExceptions
                : exception.InnerException is { } one ? [one] : [];
            foreach (var message in inner.SelectMany(Messages))
                yield return message;
        }
    }
}
