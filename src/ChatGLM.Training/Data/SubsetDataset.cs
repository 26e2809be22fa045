using System.Collections;

namespace ChatGLM.Training;

/// <summary>Some rows of a data set, in an order of their own (<c>torch.utils.data.Subset</c>). Rows are asked for when they are needed.</summary>
/// <param name="rows">The data set.</param>
/// <param name="indices">Which of its rows.</param>
public sealed class SubsetDataset(IReadOnlyList<TokenizedExample> rows, IReadOnlyList<int> indices) : IReadOnlyList<TokenizedExample>
{
    /// <inheritdoc/>
    public int Count => indices.Count;

    /// <inheritdoc/>
    public TokenizedExample this[int index] => rows[indices[index]];

    /// <inheritdoc/>
    public IEnumerator<TokenizedExample> GetEnumerator() => indices.Select(index => rows[index]).GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
