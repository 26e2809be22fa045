namespace ChatGLM.Generation;

/// <summary>The scores of every row's next token, to be changed in place: [rows, vocabulary]. A view, valid during one call.</summary>
public readonly ref struct TokenScores
{
    /// <summary>Wraps the scores of all rows.</summary>
    /// <param name="values">[rows, vocabulary] the scores, row after row.</param>
    /// <param name="vocabularySize">The number of scores in a row.</param>
    public TokenScores(Span<float> values, int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        if (values.Length % vocabularySize != 0)
            throw new ArgumentException($"{values.Length} scores are no whole number of rows of {vocabularySize}.", nameof(values));
        Values = values;
        VocabularySize = vocabularySize;
        Rows = values.Length / vocabularySize;
    }

    /// <summary>All scores, row after row.</summary>
    public Span<float> Values { get; }

    /// <summary>The number of rows.</summary>
    public int Rows { get; }

    /// <summary>The number of scores in a row.</summary>
    public int VocabularySize { get; }

    /// <summary>The scores of one row: [vocabulary].</summary>
    /// <param name="row">The row, from 0.</param>
    public Span<float> this[int row] => Values.Slice(row * VocabularySize, VocabularySize);
}
