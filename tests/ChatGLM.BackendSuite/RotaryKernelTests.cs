using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class RotaryKernelTests
{
    [Theory]
    [InlineData(3, 3, 24, 12, 2, RotaryStyle.HalfSplit, true)]
    [InlineData(2, 2, 128, 64, 2, RotaryStyle.HalfSplit, true)]
    [InlineData(4, 2, 128, 64, 1, RotaryStyle.Interleaved, false)]
    [InlineData(4, 1, 10, 6, 1, RotaryStyle.Interleaved, false)]
    [InlineData(2, 2, 34, 34, 1, RotaryStyle.HalfSplit, false)]
    [InlineData(3, 3, 5, 0, 0, RotaryStyle.HalfSplit, true)]
    public void Splits_heads_and_turns_them(int heads, int keyValueHeads, int headDim, int rotaryDim, int sections, RotaryStyle style, bool perHead)
    {
        foreach (var (batch, seq) in new[] { (2, 5), (1, 1), (0, 3), (1, 90) })
        {
            var layout = new HeadLayout(heads, keyValueHeads, headDim, perHead);
            AgreesWithReference(
                b =>
                {
                    var rotary = rotaryDim == 0 ? null : new RotaryTable(Normal(b, [13, rotaryDim / 2], 1), Normal(b, [13, rotaryDim / 2], 2), style, sections);
                    var positions = rotary is null ? null : Integers(b, [batch, sections, seq], 3, 13);
                    var (q, k, v) = b.SplitHeads(Normal(b, [batch, seq, layout.Width], 4), positions, layout, rotary);
                    return [q, k, v, b.SplitHeadsBackward(Normal(b, q.Shape, 5), Normal(b, k.Shape, 6), Normal(b, v.Shape, 7), positions, layout, rotary)];
                },
                relative: 1e-6,
                absolute: 2e-6);
        }
    }
}
