namespace ChatGLM.Generation;

/// <summary>The growing tokens of every row, in one buffer that is reserved up front.</summary>
internal sealed class TokenRows
{
    // More than this is not reserved on the word of an option alone.
    private const int ReserveAtMost = 4096;

    private int[] _ids;
    private int[] _spare = [];
    private int _stride;

    /// <summary>Starts with the prompts, each repeated.</summary>
    public TokenRows(IReadOnlyList<int[]> prompts, int repeat, int maxLength)
    {
        Rows = checked(prompts.Count * repeat);
        Length = prompts[0].Length;
        _stride = (int)Math.Min(maxLength, Length + (long)ReserveAtMost);
        _ids = new int[checked(Rows * _stride)];
        for (var row = 0; row < Rows; row++)
            prompts[row / repeat].CopyTo(_ids, row * _stride);
    }

    public int Rows { get; }

    public int Length { get; private set; }

    public InputIds View => new(_ids, Rows, Length, _stride);

    public ReadOnlySpan<int> this[int row] => _ids.AsSpan(row * _stride, Length);

    /// <summary>Adds one token to each row.</summary>
    public void Append(ReadOnlySpan<int> tokens)
    {
        if (Length == _stride)
            Grow();
        for (var row = 0; row < Rows; row++)
            _ids[row * _stride + Length] = tokens[row];
        Length++;
    }

    /// <summary>Row i goes on from what was row <c>rows[i]</c>.</summary>
    public void Select(ReadOnlySpan<int> rows)
    {
        if (_spare.Length < _ids.Length)
            _spare = new int[_ids.Length];
        for (var row = 0; row < Rows; row++)
            this[rows[row]].CopyTo(_spare.AsSpan(row * _stride));
        (_ids, _spare) = (_spare, _ids);
    }

    private void Grow()
    {
        var stride = checked(_stride * 2);
        var grown = new int[checked(Rows * stride)];
        for (var row = 0; row < Rows; row++)
            this[row].CopyTo(grown.AsSpan(row * stride));
        (_ids, _stride) = (grown, stride);
    }
}
