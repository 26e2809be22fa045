using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>ChatGLM-6B's answer: the position in the context stays at the blank, the one in the block counts on; the last query's mask is extended by visible keys.</summary>
internal sealed class BlockDecodingState : DecodingState
{
    private BlockDecodingState(int rows, int length, bool[]? hidden, long[] positions)
        : base(rows, length, hidden, flagOfNewToken: false, positions)
    {
    }

    public static BlockDecodingState After(ModelInputs prompt, ChatGLM6BConfig config, ContextMasks masks)
    {
        var tokens = TokenBatch.Read(prompt.InputIds, config.VocabSize);
        return new BlockDecodingState(tokens.Batch, tokens.Seq, LastQuery(prompt.AttentionMask, tokens), LastPositions(prompt.PositionIds, tokens, config, masks));
    }

    protected override void Advance(Span<long> positions)
    {
        // With one-dimensional positions every generated token stays where the blank is.
        if (positions.Length == 2)
            positions[1]++;
    }

    protected override Shape MaskShape(int rows, int length) => [rows, 1, 1, length];

    private static bool[]? LastQuery(Tensor? mask, TokenBatch tokens)
    {
        if (mask is null)
            return null; // a derived mask hides nothing from the last token
        var all = ContextMasks.Check(mask, tokens, tokens.Seq);
        var last = new bool[tokens.Batch * tokens.Seq];
        for (var row = 0; row < tokens.Batch; row++)
            all.AsSpan(((row * tokens.Seq) + tokens.Seq - 1) * tokens.Seq, tokens.Seq).CopyTo(last.AsSpan(row * tokens.Seq));
        return last.AsSpan().Contains(true) ? last : null;
    }

    private static long[] LastPositions(Tensor? given, TokenBatch tokens, ChatGLM6BConfig config, ContextMasks masks)
    {
        var sections = config.PositionEncoding2D ? 2 : 1;
        var last = new long[tokens.Batch * sections];
        if (sections == 1)
        {
            var positions = given?.ToArray<long>();
            for (var row = 0; row < tokens.Batch; row++)
            {
                var blank = masks.MaskPosition(tokens[row], row).Position;
                last[row] = positions is null ? blank : positions[(row * tokens.Seq) + blank]; // padding does not count
            }

            return last;
        }

        var all = given?.ToArray<long>() ?? masks.Positions(tokens);
        for (var i = 0; i < last.Length; i++)
            last[i] = all[((i + 1) * tokens.Seq) - 1];
        return last;
    }
}
