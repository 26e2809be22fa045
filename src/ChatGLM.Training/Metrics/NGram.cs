namespace ChatGLM.Training;

/// <summary>Some tokens in a row of a sentence, compared by value.</summary>
internal readonly struct NGram<T>(IReadOnlyList<T> tokens, int start, int order) : IEquatable<NGram<T>>
    where T : notnull
{
    private readonly IReadOnlyList<T> _tokens = tokens;
    private readonly int _start = start;
    private readonly int _order = order;

    public bool Equals(NGram<T> other)
    {
        if (_order != other._order)
            return false;
        for (var i = 0; i < _order; i++)
        {
            if (!EqualityComparer<T>.Default.Equals(_tokens[_start + i], other._tokens[other._start + i]))
                return false;
        }

        return true;
    }

    public override bool Equals(object? obj) => obj is NGram<T> other && Equals(other);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        for (var i = 0; i < _order; i++)
            hash.Add(_tokens[_start + i]);
        return hash.ToHashCode();
    }
}
