namespace ChatGLM.Generation;

/// <summary>The tokens of every row so far, prompt and left padding included: [rows, length]. A view, valid during one call.</summary>
public readonly ref struct InputIds
{
    private readonly ReadOnlySpan<int> _ids;
    private readonly int _stride;

    /// <summary>Wraps rows that lie one after another.</summary>
    /// <param name="ids">The tokens; row i starts at i * <paramref name="stride"/>.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="length">The tokens in each row.</param>
    /// <param name="stride">The distance from one row's start to the next one's.</param>
    public InputIds(ReadOnlySpan<int> ids, int rows, int length, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, length);
        if (rows > 0 && ids.Length < (long)(rows - 1) * stride + length)
            throw new ArgumentException($"{ids.Length} tokens cannot hold {rows} rows of {length} at a distance of {stride}.", nameof(ids));
        _ids = ids;
        _stride = stride;
        Rows = rows;
        Length = length;
    }

    /// <summary>The number of rows.</summary>
    public int Rows { get; }

    /// <summary>The tokens in each row.</summary>
    public int Length { get; }

    /// <summary>The tokens of one row: [length].</summary>
    /// <param name="row">The row, from 0.</param>
    public ReadOnlySpan<int> this[int row] => _ids.Slice(row * _stride, Length);
}
