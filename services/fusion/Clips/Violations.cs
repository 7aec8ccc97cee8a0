using System.Collections.Concurrent;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>
/// The violations of one request. Voice and faces add theirs concurrently, so that the caller gets all of them together; after the
/// first one nothing more is scored. Thread-safe.
/// </summary>
internal sealed class Violations
{
    private readonly ConcurrentDictionary<string, string> _byField = new();

    /// <summary>True if the request is invalid.</summary>
    public bool Any => !_byField.IsEmpty;

    /// <summary>Adds a violation; only the first one per field counts.</summary>
    public void Add(string field, string description) => _byField.TryAdd(field, description);

    /// <inheritdoc cref="Add(string, string)"/>
    public void Add(IEnumerable<(string Field, string Description)> violations)
    {
        foreach (var (field, description) in violations)
            Add(field, description);
    }

    /// <summary>
    /// Adds the violations of a peer's INVALID_ARGUMENT, with field names translated. False if it concerns
    /// other fields only: then the request is not at fault.
    /// </summary>
    public bool AddFrom(RpcException exception, params ReadOnlySpan<(string Peer, string Own)> fields)
    {
        if (exception.StatusCode != StatusCode.InvalidArgument || exception.GetRpcStatus()?.GetDetail<BadRequest>() is not { } details)
            return false;
        var added = false;
        foreach (var violation in details.FieldViolations)
            foreach (var (peer, own) in fields)
                if (violation.Field == peer)
                {
                    Add(own, violation.Description);
                    added = true;
                }
        return added;
    }

    /// <summary>Violations, ordered by field.</summary>
    public IReadOnlyList<(string Field, string Description)> Ordered =>
        [.. _byField.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => (v.Key, v.Value))];
}
