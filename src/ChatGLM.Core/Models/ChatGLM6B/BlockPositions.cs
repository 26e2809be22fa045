namespace ChatGLM.Models.ChatGLM6B;

/// <summary>ChatGLM-6B's: the context counts, what follows it stays at the blank and counts in its block. <see cref="ContextMasks"/> and <see cref="BlockDecodingState"/> are the same for whole rows.</summary>
internal sealed class BlockPositions : SequencePositions
{
    private readonly long[] _prompt;
    private readonly int _promptLength;
    private readonly int _blank;
    private readonly int _sections;

    /// <exception cref="ModelInputException">The prompt has no context or no blank.</exception>
    public BlockPositions(ReadOnlySpan<int> prompt, ChatGLM6BConfig config, ContextMasks masks)
    {
        var ids = new long[prompt.Length];
        for (var i = 0; i < ids.Length; i++)
            ids[i] = prompt[i];
        var tokens = TokenBatch.Of(ids);
        _sections = config.PositionEncoding2D ? 2 : 1;
        _prompt = masks.Positions(tokens);
        _promptLength = prompt.Length;
        _blank = masks.MaskPosition(ids, 0).Position;
        Context = prompt.IndexOf(config.BosTokenId);
    }

    public override int Context { get; }

    public override bool IsBidirectional => true;

    public override void Write(int token, int virtualTokens, Span<long> positions)
    {
        if (token < 0)
        {
            positions.Clear();
            positions[0] = virtualTokens + token; // a virtual token: the last of them is -1
            return;
        }

        positions[0] = virtualTokens + (token < _promptLength ? _prompt[token] : _blank);
        if (_sections == 2)
            positions[1] = Math.Max(0, token - Context + 1);
    }
}
