namespace ChatGLM.Models.ChatGLM2;

/// <summary>ChatGLM2's and ChatGLM3's: positions count on.</summary>
internal sealed class CausalPositions : SequencePositions
{
    private CausalPositions()
    {
    }

    public static CausalPositions Instance { get; } = new();

    public override int Context => 0;

    public override bool IsBidirectional => false;

    public override void Write(int token, int virtualTokens, Span<long> positions) => positions[0] = virtualTokens + token;
}
