using System.Buffers;
using System.Runtime.CompilerServices;

namespace ChatGLM.Tokenizers;

/// <summary>A growing array that is borrowed from the shared pool: the scratch memory of encoding, returned by <see cref="Dispose"/>.</summary>
internal struct PooledList<T> : IDisposable
    where T : unmanaged
{
    private T[] _items;
    private int _count;

    public PooledList(int capacity) => _items = ArrayPool<T>.Shared.Rent(Math.Max(capacity, 16));

    public readonly int Count => _count;

    public readonly Span<T> Span => _items.AsSpan(0, _count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(T item)
    {
        var items = _items;
        var count = _count;
        if ((uint)count >= (uint)items.Length)
        {
            Grow(1);
            items = _items;
        }

        items[count] = item;
        _count = count + 1;
    }

    public void AddRange(scoped ReadOnlySpan<T> items)
    {
        items.CopyTo(Reserve(items.Length));
        _count += items.Length;
    }

    /// <summary>Room for at least <paramref name="size"/> more items behind the last one; <see cref="Advance"/> says how many were written.</summary>
    public Span<T> Reserve(int size)
    {
        if (_items.Length - _count < size)
            Grow(size);
        return _items.AsSpan(_count);
    }

    public void Advance(int size) => _count = checked(_count + size);

    /// <summary>Forgets the items from <paramref name="count"/> on.</summary>
    public void Truncate(int count) => _count = count;

    public readonly T[] ToArray() => Span.ToArray();

    public void Dispose()
    {
        var items = _items;
        _items = [];
        _count = 0;
        if (items is { Length: > 0 })
            ArrayPool<T>.Shared.Return(items);
    }

    private void Grow(int size)
    {
        var bigger = ArrayPool<T>.Shared.Rent(checked(Math.Max(_items.Length * 2, _count + size)));
        Span.CopyTo(bigger);
        if (_items.Length > 0)
            ArrayPool<T>.Shared.Return(_items);
        _items = bigger;
    }
}
