using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Evaluating;

/// <summary>
/// How surprised a model is by a text: the exponential of its mean loss per token. A window slides over the text, and each token is scored once, with at least window minus stride tokens before it (but for
/// the first window): the way of transformers' guide. Before every window stand the special tokens that the model's texts begin with.
/// </summary>
internal sealed class Perplexity(OpenedModel opened, int window, int stride, ToolProgress progress)
{
    private const long IgnoredLabel = -100;

    /// <returns>The perplexity, and the tokens it is of.</returns>
    public (double Value, int Tokens) Of(string text, CancellationToken cancellationToken)
    {
        var tokenizer = opened.Tokenizer;
        var ids = tokenizer.Encode(text, null, new() { AddSpecialTokens = false });
        // ChatGLM-6B closes what it encodes; a text to go on with only begins.
        var head = tokenizer.BuildInputsWithSpecialTokens([]).TakeWhile(id => id != tokenizer.EosTokenId).ToArray();
        var room = Math.Min(window, opened.Model.Config.MaxPositions) - head.Length;
        if (room < 1 || stride > room)
            throw new UsageException($"A window of {window} tokens, of which {head.Length} are special ones, cannot move by {stride}. Give a larger --window or a smaller --stride.");
        if (ids.Length == 0)
            throw new UsageException("The text is empty.");
        using var noGrad = GradMode.NoGrad();
        var (sum, scored) = (0.0, 0);
        for (var start = 0; scored < ids.Length; start += stride)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var end = Math.Min(start + room, ids.Length);
            sum += Loss(head, ids.AsSpan(start, end - start), scored - start, cancellationToken) * (end - scored);
            scored = end;
            progress.Report(new ProgressReport("reading", scored, ids.Length, "tokens"));
        }

        return (Math.Exp(sum / ids.Length), ids.Length);
    }

    /// <summary>The mean loss of the tokens of a window from one on.</summary>
    private double Loss(int[] head, ReadOnlySpan<int> tokens, int first, CancellationToken cancellationToken)
    {
        using var scope = new TensorScope();
        var (inputs, labels) = (new long[head.Length + tokens.Length], new long[head.Length + tokens.Length]);
        Array.Fill(labels, IgnoredLabel);
        for (var i = 0; i < head.Length; i++)
            inputs[i] = head[i];
        for (var i = 0; i < tokens.Length; i++)
        {
            inputs[head.Length + i] = tokens[i];
            if (i >= first)
                labels[head.Length + i] = tokens[i];
        }

        using var output = opened.Model.Forward(new ModelInputs
        {
            InputIds = Tensor.From(inputs, [1, inputs.Length], opened.Model.Backend), Labels = Tensor.From(labels, [1, labels.Length], opened.Model.Backend), CancellationToken = cancellationToken,
        });
        return output.Loss!.Item();
    }
}
