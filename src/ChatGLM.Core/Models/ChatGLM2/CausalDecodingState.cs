using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>ChatGLM2's and ChatGLM3's answer: positions count on, and every new token is real.</summary>
internal sealed class CausalDecodingState : DecodingState
{
    private CausalDecodingState(int rows, int length, bool[]? isReal, long[] positions)
        : base(rows, length, isReal, flagOfNewToken: true, positions)
    {
    }

    /// <param name="prompt">The prompt that is about to be fed.</param>
    /// <param name="pastTokens">Tokens that the cache holds already, without a prefix.</param>
    public static CausalDecodingState After(ModelInputs prompt, int pastTokens)
    {
        var (rows, seq) = (prompt.InputIds.Shape[0], prompt.InputIds.Shape[1]);
        var positions = new long[rows];
        var given = prompt.PositionIds?.ToArray<long>();
        for (var row = 0; row < rows; row++)
            positions[row] = given?[((row + 1) * seq) - 1] ?? pastTokens + seq - 1;
        return new CausalDecodingState(rows, pastTokens + seq, Padding(prompt.AttentionMask), positions);
    }

    protected override void Advance(Span<long> positions) => positions[0]++;

    protected override Shape MaskShape(int rows, int length) => [rows, length];

    private static bool[]? Padding(Tensor? mask)
    {
        if (mask is null)
            return null;
        using var flags = mask.Backend.Cast(mask, DType.Bool);
        var isReal = flags.ToArray<bool>();
        return isReal.AsSpan().Contains(false) ? isReal : null;
    }
}
