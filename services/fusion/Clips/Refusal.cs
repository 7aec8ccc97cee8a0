using System.Collections.Concurrent;
using Google.Rpc;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>
/// What is wrong with one clip. Voice and faces add to it at the same time, so that a caller learns of
/// everything at once; what would only compute scores stops as soon as there is anything. Thread-safe.
/// </summary>
internal sealed class Refusal
{
    private readonly ConcurrentDictionary<string, string> _violations = new();

    /// <summary>Whether the clip will be refused.</summary>
    public bool Any => !_violations.IsEmpty;

    /// <summary>Says what is wrong with a field; the first word on a field stands.</summary>
    public void Add(string field, string description) => _violations.TryAdd(field, description);

    /// <summary>
    /// Takes over what a peer's INVALID_ARGUMENT says of the clip, under the clip's own names for the
    /// fields. False where it says nothing of them: then it is not the clip that is at fault.
    /// </summary>
    public bool Take(RpcException exception, params ReadOnlySpan<(string Theirs, string Ours)> fields)
    {
        if (exception.StatusCode != StatusCode.InvalidArgument || exception.GetRpcStatus()?.GetDetail<BadRequest>() is not { } details)
            return false;
        var taken = false;
        foreach (var violation in details.FieldViolations)
            foreach (var (theirs, ours) in fields)
                if (violation.Field == theirs)
                {
                    Add(ours, violation.Description);
                    taken = true;
                }
        return taken;
    }

    /// <summary>Field and description, by field.</summary>
    public IReadOnlyList<(string Field, string Description)> Violations =>
        [.. _violations.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => (v.Key, v.Value))];
}
