namespace ChatGLM.Tensors;

/// <summary>The rows of a pass that belong to one sequence, and the pages of that sequence.</summary>
/// <param name="FirstRow">The first of its rows; they follow each other.</param>
/// <param name="Rows">How many there are: new tokens of the sequence, in order.</param>
/// <param name="Start">The position in the cache of the first of them: the keys that are there already.</param>
/// <param name="Context">The first so many keys are seen by every row: a context that attends to itself in both directions. 0 where rows see what is before them and themselves.</param>
/// <param name="Pages">The pages of the sequence, the new tokens' among them.</param>
/// <param name="FirstKey">The first key that anybody sees: those before it are padding.</param>
public readonly record struct PagedSequence(int FirstRow, int Rows, int Start, int Context, IReadOnlyList<KeyValuePage> Pages, int FirstKey = 0)
{
    /// <summary>One past the last key that a row sees. Where that is not past <see cref="FirstKey"/>, it sees none, and attention gives zeros.</summary>
    /// <param name="row">The row, counted from the first of this sequence.</param>
    public int VisibleTo(int row) => Math.Max(Context, Start + row + 1);

    /// <summary>The keys that are there once the rows have been written.</summary>
    public int Keys => Start + Rows;
}
