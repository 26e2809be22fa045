namespace ChatGLM.Generation;

/// <summary>
/// The state of one prefilled batch: what a model keeps between tokens. The model owns masks, positions and the key-value cache; a
/// generation loop only sees scores and feeds tokens.
/// </summary>
internal interface IDecodingSession : IDisposable
{
    /// <summary>The sequences being decoded.</summary>
    int Rows { get; }

    /// <summary>The number of scores in a row.</summary>
    int VocabularySize { get; }

    /// <summary>The tokens fed so far in each row, prompt and padding included.</summary>
    int Length { get; }

    /// <summary>[vocabulary] the scores of a row's next token, valid until the next <see cref="Step"/> or <see cref="SelectRows"/>.</summary>
    ReadOnlySpan<float> Logits(int row);

    /// <summary>Feeds one token per row and computes the next scores.</summary>
    void Step(ReadOnlySpan<int> tokens, CancellationToken cancellationToken);

    /// <summary>
    /// Row i goes on from what was row <c>rows[i]</c>, scores and all. The number of rows may change: beams and several returned sequences
    /// start from one prefilled row.
    /// </summary>
    void SelectRows(ReadOnlySpan<int> rows);
}
