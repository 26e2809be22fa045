namespace ChatGLM.Generation;

/// <summary>
/// Changes the scores of the next token before one is chosen: transformers' <c>LogitsProcessor</c>. Set a score to
/// <see cref="float.NegativeInfinity"/> to rule a token out. It sees every row of the batch (every beam of a beam search) at once and runs
/// once a token, so it should not allocate.
/// </summary>
public abstract class LogitsProcessor
{
    /// <summary>Changes the scores in place.</summary>
    /// <param name="inputIds">[rows, length] the tokens so far.</param>
    /// <param name="scores">[rows, vocabulary] the scores of the next token.</param>
    public abstract void Process(InputIds inputIds, TokenScores scores);
}
