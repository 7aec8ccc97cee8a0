using System.Diagnostics.CodeAnalysis;

namespace Affect.Scheduling;

/// <summary>
/// A bounded queue that is fair between tenants: the items of one tenant leave in the order of their arrival, and tenants with items take
/// turns. If the queue is full, the tenant with the most items loses its newest, so that no tenant can keep another out (longest queue
/// drop: Suter, Lakshman, Stiliadis, Choudhury, 1999). Not thread-safe: the owner locks.
/// </summary>
/// <param name="capacity">Maximum number of items of all tenants together.</param>
/// <typeparam name="T">Type of an item.</typeparam>
public sealed class FairQueue<T>(int capacity)
    where T : class
{
    private readonly Dictionary<string, Line> _lines = [];

    /// <summary>The tenants with items; the first is next.</summary>
    private readonly LinkedList<Line> _turns = [];

    /// <summary>Number of items.</summary>
    public int Count { get; private set; }

    /// <summary>Adds an item as the last of its tenant.</summary>
    /// <returns>Null; if the queue is full, the item that has no place in it: this one, or the newest of the tenant with the most items.</returns>
    public T? Enqueue(string tenant, T item)
    {
        _lines.TryGetValue(tenant, out var line);
        T? rejected = null;
        if (Count >= capacity)
        {
            if (_turns.MaxBy(other => other.Items.Count) is not { } longest || longest.Items.Count <= (line?.Items.Count ?? 0) + 1)
                return item;
            rejected = longest.Items.Last!.Value;
            Remove(longest, longest.Items.Last);
        }

        if (line is null)
        {
            _lines[tenant] = line = new(tenant);
            _turns.AddLast(line.Turn);
        }

        line.Items.AddLast(item);
        Count++;
        return rejected;
    }

    /// <summary>Removes the first item of the tenant whose turn it is, which then waits until all others have had theirs.</summary>
    /// <param name="item">The item.</param>
    /// <param name="mayTake">False for tenants that miss their turn; null if all may take it.</param>
    public bool TryDequeue([NotNullWhen(true)] out T? item, Func<string, bool>? mayTake = null)
    {
        item = null;
        var turn = _turns.First;
        while (turn is not null && mayTake is not null && !mayTake(turn.Value.Tenant))
            turn = turn.Next;
        if (turn is null)
            return false;
        var line = turn.Value;
        item = line.Items.First!.Value;
        _turns.Remove(turn);
        _turns.AddLast(turn);
        Remove(line, line.Items.First);
        return true;
    }

    /// <summary>Removes an item; false if it is not queued.</summary>
    public bool Remove(string tenant, T item)
    {
        if (!_lines.TryGetValue(tenant, out var line) || line.Items.Find(item) is not { } node)
            return false;
        Remove(line, node);
        return true;
    }

    private void Remove(Line line, LinkedListNode<T> node)
    {
        line.Items.Remove(node);
        Count--;
        if (line.Items.Count > 0)
            return;
        _turns.Remove(line.Turn);
        _lines.Remove(line.Tenant);
    }

    /// <summary>The items of one tenant.</summary>
    private sealed class Line
    {
        public Line(string tenant) => (Tenant, Turn) = (tenant, new(this));

        public string Tenant { get; }

        public LinkedListNode<Line> Turn { get; }

        public LinkedList<T> Items { get; } = [];
    }
}
