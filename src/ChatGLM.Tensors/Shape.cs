using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The lengths of a tensor's axes, outermost first. At most eight axes; a shape without axes is a scalar.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The most axes a shape can have.</summary>
    public const int MaxRank = 8;

    private readonly Lengths _lengths;

    /// <summary>Creates a shape from its axis lengths.</summary>
    /// <exception cref="TensorException">There are more than eight axes, a length is negative, or the number of elements overflows.</exception>
    public Shape(params ReadOnlySpan<int> lengths)
    {
        if (lengths.Length > MaxRank)
            throw new TensorException(nameof(Shape), $"expected at most {MaxRank} axes, found {lengths.Length}.");
        long count = 1;
        for (var axis = 0; axis < lengths.Length; axis++)
        {
            if (lengths[axis] < 0)
                throw new TensorException(nameof(Shape), $"axis {axis} has the negative length {lengths[axis]}.");
            if (lengths[axis] != 0 && count > long.MaxValue / 16 / lengths[axis])
                throw new TensorException(nameof(Shape), $"[{string.Join(", ", lengths.ToArray())}] has more elements than can be addressed.");
            count *= lengths[axis];
            _lengths[axis] = lengths[axis];
        }

        Rank = lengths.Length;
        ElementCount = count;
    }

    /// <summary>The shape of a single number: no axes, one element.</summary>
    public static Shape Scalar => new([]);

    /// <summary>The number of axes.</summary>
    public int Rank { get; }

    /// <summary>The product of all lengths; 1 for a scalar.</summary>
    public long ElementCount { get; }

    /// <summary>The length of an axis; <c>shape[^1]</c> is the innermost.</summary>
    public int this[int axis] => (uint)axis < (uint)Rank ? _lengths[axis] : throw new ArgumentOutOfRangeException(nameof(axis), axis, $"{this} has {Rank} axes.");

    /// <summary>The number of axes, under the name that index-from-end expressions look for.</summary>
    public int Length => Rank;

    /// <summary>Creates a shape; what a collection expression such as <c>[2, 3]</c> calls.</summary>
    public static Shape Create(ReadOnlySpan<int> lengths) => new(lengths);

    /// <summary>The lengths as a new array.</summary>
    public int[] ToArray() => AsSpan(in this).ToArray();

    /// <summary>Enumerates the lengths.</summary>
    public ReadOnlySpan<int>.Enumerator GetEnumerator() => new ReadOnlySpan<int>(ToArray()).GetEnumerator();

    /// <summary>This shape with the length of one axis replaced.</summary>
    public Shape With(int axis, int length)
    {
        Span<int> lengths = stackalloc int[Rank];
        AsSpan(in this).CopyTo(lengths);
        lengths[axis] = length;
        return new Shape(lengths);
    }

    /// <summary>The product of the lengths of all axes but the last: how many rows of <c>shape[^1]</c> elements there are.</summary>
    public long RowCount => Rank == 0 ? 1 : this[^1] == 0 ? 0 : ElementCount / this[^1];

    /// <summary>Whether this shape equals the innermost axes of <paramref name="other"/>, so that it can be broadcast over its outer ones.</summary>
    public bool IsSuffixOf(in Shape other) => Rank <= other.Rank && AsSpan(in this).SequenceEqual(AsSpan(in other)[(other.Rank - Rank)..]);

    /// <inheritdoc/>
    public bool Equals(Shape other) => AsSpan(in this).SequenceEqual(AsSpan(in other));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var length in AsSpan(in this))
            hash.Add(length);
        return hash.ToHashCode();
    }

    /// <summary>The lengths in brackets, such as <c>[2, 3]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", ToArray())}]";

    /// <summary>Whether two shapes have the same lengths.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    private static ReadOnlySpan<int> AsSpan(in Shape shape) => ((ReadOnlySpan<int>)shape._lengths)[..shape.Rank];

    [InlineArray(MaxRank)]
    private struct Lengths
    {
        private int _first;
    }
}
