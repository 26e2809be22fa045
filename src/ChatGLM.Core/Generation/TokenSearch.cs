using System.Buffers;
using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>Greedy search and sampling: one token per row and step, and no going back.</summary>
internal static class TokenSearch
{
    public static GenerationResult Run(IDecodingSession session, GenerationPlan plan, CancellationToken cancellationToken)
    {
        var repeat = plan.Config.NumReturnSequences;
        if (repeat > 1)
            session.SelectRows(GenerationPlan.Repeat(session.Rows, repeat));
        var ids = new TokenRows(plan.Request.Prompts, repeat, plan.MaxLength);
        var tokens = new int[ids.Rows];
        var finished = new FinishReason?[ids.Rows];
        var completion = new int[ids.Rows];
        var unfinished = ids.Rows;
        var untouched = plan.Processors.Count == 0 && !plan.Config.DoSample;
        var rented = untouched ? [] : ArrayPool<float>.Shared.Rent(checked(ids.Rows * session.VocabularySize));
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (untouched)
                    Best(session, tokens, ids.Length);
                else
                    Choose(session, plan, ids, rented.AsSpan(0, ids.Rows * session.VocabularySize), tokens);
                unfinished -= Keep(plan, ids, tokens, finished, completion);
                if (ids.Length >= plan.MaxLength || unfinished == 0)
                    break;
                session.Step(tokens, cancellationToken);
            }
        }
        finally
        {
            if (!untouched)
                ArrayPool<float>.Shared.Return(rented);
        }

        return new GenerationResult
        {
            Sequences = [.. Enumerable.Range(0, ids.Rows).Select(row => ids[row].ToArray())],
            FinishReasons = [.. finished.Select(reason => reason ?? FinishReason.Length)],
            PromptLength = plan.PromptLength,
            PromptTokens = [.. Enumerable.Range(0, ids.Rows).Select(row => plan.PromptLength - (plan.Request.PaddingTokens?[row / repeat] ?? 0))],
            CompletionTokens = completion,
        };
    }

    // Nothing changes the scores: take the best one where it lies.
    private static void Best(IDecodingSession session, Span<int> tokens, int length)
    {
        for (var row = 0; row < tokens.Length; row++)
            tokens[row] = Best(session.Logits(row), row, length);
    }

    internal static int Best(ReadOnlySpan<float> scores, int row, int length)
    {
        // A NaN counts as the largest, so one look at the winner finds it.
        var best = TensorPrimitives.IndexOfMax(scores);
        return float.IsFinite(scores[best]) ? best : throw InvalidLogitsException.At(row, length, scores);
    }

    private static void Choose(IDecodingSession session, GenerationPlan plan, TokenRows ids, Span<float> values, Span<int> tokens)
    {
        var scores = new TokenScores(values, session.VocabularySize);
        for (var row = 0; row < tokens.Length; row++)
            session.Logits(row).CopyTo(scores[row]);
        plan.Processors.Process(ids.View, scores);
        plan.Warpers.Process(ids.View, scores);
        for (var row = 0; row < tokens.Length; row++)
        {
            var rowScores = scores[row];
            if (!plan.Config.DoSample)
            {
                tokens[row] = Best(rowScores, row, ids.Length);
                continue;
            }

            if (!float.IsFinite(TensorPrimitives.Max<float>(rowScores)))
                throw InvalidLogitsException.At(row, ids.Length, rowScores);
            RowMath.Softmax(rowScores, rowScores);
            // A finished row draws too: torch draws for the whole batch, and the rows after it must see the same numbers.
            tokens[row] = plan.Random.Multinomial(rowScores);
        }
    }

    /// <returns>How many rows have finished with this token.</returns>
    private static int Keep(GenerationPlan plan, TokenRows ids, Span<int> tokens, Span<FinishReason?> finished, Span<int> completion)
    {
        var ended = 0;
        for (var row = 0; row < tokens.Length; row++)
        {
            if (finished[row] is not null)
                tokens[row] = plan.PadTokenId;
        }

        ids.Append(tokens);
        for (var row = 0; row < tokens.Length; row++)
        {
            if (finished[row] is not null)
                continue;
            completion[row]++;
            if (plan.IsEos(tokens[row]))
                finished[row] = FinishReason.Stop;
            else if (plan.StopStrings?.IsMatch(ids[row][plan.PromptLength..]) == true)
                finished[row] = FinishReason.StopString;
            if (finished[row] is not null)
                ended++;
            plan.Request.OnToken?.Invoke(row, tokens[row]);
        }

        return ended;
    }
}
