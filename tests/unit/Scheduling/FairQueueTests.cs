using Affect.Scheduling;

namespace Affect.UnitTests.Scheduling;

public sealed class FairQueueTests
{
    [Fact]
    public void TryDequeue_TenantsWithItems_TakeTurns()
    {
        var queue = Queue(capacity: 100, "a1", "a2", "a3", "b1", "b2", "c1");

        Assert.Equal(["a1", "b1", "c1", "a2", "b2", "a3"], DequeueAll(queue));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void TryDequeue_TenantThatReturns_WaitsForItsTurn()
    {
        var queue = Queue(capacity: 100, "a1", "b1", "b2", "a2");
        Assert.Equal("a1", Dequeue(queue));
        Assert.Equal("b1", Dequeue(queue));
        Assert.Equal("a2", Dequeue(queue));

        queue.Enqueue("a", "a3");

        Assert.Equal(["b2", "a3"], DequeueAll(queue));
    }

    [Fact]
    public void TryDequeue_TenantThatMayNotTake_KeepsItsTurn()
    {
        var queue = Queue(capacity: 100, "a1", "b1", "b2");

        Assert.True(queue.TryDequeue(out var item, tenant => tenant != "a"));

        Assert.Equal("b1", item);
        Assert.Equal(["a1", "b2"], DequeueAll(queue));
        Assert.False(queue.TryDequeue(out _, _ => true));
    }

    [Fact]
    public void Enqueue_FullQueue_RejectsTheNewestItemOfTheTenantWithTheMost()
    {
        var queue = Queue(capacity: 4, "a1", "a2", "a3", "b1");

        Assert.Equal("a3", queue.Enqueue("c", "c1"));
        Assert.Equal("a4", queue.Enqueue("a", "a4")); // its own tenant has the most
        Assert.Equal("c2", queue.Enqueue("c", "c2")); // as many as the largest has

        Assert.Equal(["a1", "b1", "c1", "a2"], DequeueAll(queue));
    }

    [Fact]
    public void Enqueue_NoCapacity_RejectsTheItem() => Assert.Equal("a1", new FairQueue<string>(0).Enqueue("a", "a1"));

    [Fact]
    public void Remove_LastItemOfATenant_EndsItsTurns()
    {
        var queue = Queue(capacity: 100, "a1", "b1", "b2");

        Assert.True(queue.Remove("a", "a1"));
        Assert.False(queue.Remove("a", "a1"));

        Assert.Equal(["b1", "b2"], DequeueAll(queue));
    }

    /// <summary>A queue of items, each named by the letter of its tenant and a number.</summary>
    private static FairQueue<string> Queue(int capacity, params string[] items)
    {
        var queue = new FairQueue<string>(capacity);
        foreach (var item in items)
            Assert.Null(queue.Enqueue(item[..1], item));
        return queue;
    }

    private static string Dequeue(FairQueue<string> queue)
    {
        Assert.True(queue.TryDequeue(out var item));
        return item;
    }

    private static List<string> DequeueAll(FairQueue<string> queue)
    {
        var items = new List<string>();
        while (queue.TryDequeue(out var item))
            items.Add(item);
        return items;
    }
}
