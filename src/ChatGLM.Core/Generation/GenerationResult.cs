namespace ChatGLM.Generation;

/// <summary>What was generated. Rows are prompts in order, each with its returned sequences, best first, one after another.</summary>
public sealed record GenerationResult
{
    /// <summary>[rows][length] prompt and generated tokens, padded on the right to one length, as transformers' <c>generate</c> returns them.</summary>
    public required IReadOnlyList<int[]> Sequences { get; init; }

    /// <summary>[rows] the score of each sequence of a beam search (the sum of log-probabilities over a power of the length); else null.</summary>
    public IReadOnlyList<float>? SequencesScores { get; init; }

    /// <summary>[rows] why each sequence ended.</summary>
    public required IReadOnlyList<FinishReason> FinishReasons { get; init; }

    /// <summary>The tokens of the prompt in each sequence, left padding included: generated tokens begin here.</summary>
    public required int PromptLength { get; init; }

    /// <summary>[rows] the tokens of each prompt without its padding.</summary>
    public required IReadOnlyList<int> PromptTokens { get; init; }

    /// <summary>[rows] the tokens generated for each sequence, the end of sequence included, padding not.</summary>
    public required IReadOnlyList<int> CompletionTokens { get; init; }

    /// <summary>The generated tokens of one sequence, without prompt and padding.</summary>
    /// <param name="row">The row, from 0.</param>
    public ReadOnlySpan<int> Completion(int row) => Sequences[row].AsSpan(PromptLength, CompletionTokens[row]);
}
