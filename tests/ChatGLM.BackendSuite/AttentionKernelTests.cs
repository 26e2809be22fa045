using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class AttentionKernelTests
{
    private enum Hiding
    {
        None,
        Padding,
        Rows,
    }

    public static TheoryData<int, int, int, int, int, int, int> Shapes => new()
    {
        // batch, heads, keyValueHeads, seq, keys, capacity, headDim
        { 1, 1, 1, 1, 1, 1, 1 },
        { 2, 2, 1, 1, 40, 64, 16 },
        { 1, 4, 2, 3, 17, 17, 20 },
        { 2, 4, 2, 1, 600, 620, 8 },
        { 2, 2, 2, 5, 5, 8, 16 },
        { 1, 4, 2, 37, 37, 40, 15 },
        { 1, 6, 2, 33, 50, 50, 32 },
        { 1, 3, 3, 41, 41, 41, 17 },
        { 1, 5, 1, 2, 261, 264, 32 },
        { 1, 17, 1, 1, 33, 40, 32 },
        { 0, 2, 1, 4, 4, 4, 8 },
        { 1, 2, 1, 0, 4, 4, 8 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Attends_and_gives_all_gradients(int batch, int heads, int keyValueHeads, int seq, int keys, int capacity, int headDim)
    {
        foreach (var (causal, hiding, hiddenScore, dropout) in new[]
        {
            (false, Hiding.None, float.NegativeInfinity, false), (true, Hiding.None, float.NegativeInfinity, false), (true, Hiding.Padding, float.NegativeInfinity, true),
            (false, Hiding.Rows, float.NegativeInfinity, false), (false, Hiding.Rows, -10_000f, false), (true, Hiding.Rows, -280_000f, true),
        })
        {
            AgreesWithReference(
                b =>
                {
                    var query = Normal(b, [batch, heads, seq, headDim], 1, scale: 2);
                    var (key, value) = (Normal(b, [batch, keyValueHeads, capacity, headDim], 2, scale: 2), Normal(b, [batch, keyValueHeads, capacity, headDim], 3));
                    var options = new AttentionOptions(0.3f, keys)
                    {
                        Causal = causal,
                        Hidden = Hidden(b, hiding, batch, seq, keys),
                        HiddenScore = hiddenScore,
                        DropoutMask = dropout ? b.Affine(b.Unary(UnaryOp.Relu, Normal(b, [batch, heads, seq, keys], 5)), 1.25f, 0) : null,
                    };
                    var sums = Tensor.Zeros([batch, heads, seq], DType.Float32, b);
                    var y = b.Attention(query, key, value, options, sums);
                    var (dQuery, dKey, dValue) = b.AttentionBackward(Normal(b, y.Shape, 4), query, key, value, y, sums, options);
                    return [y, sums, dQuery, dKey, dValue];
                },
                relative: 1e-5,
                absolute: 3e-5);
        }
    }

    [Fact]
    public void A_row_that_sees_no_key_gives_zeros_and_no_gradient()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            foreach (var seq in new[] { 2, 6 })
            {
                var (query, key, value) = (Normal(b, [1, 1, seq, 8], 1), Normal(b, [1, 1, 6, 8], 2), Normal(b, [1, 1, 6, 8], 3));
                var hidden = Tensor.Full([1, 1, 6], 1, DType.Bool, b);
                var options = new AttentionOptions(1, 6) { Hidden = hidden };
                var sums = Tensor.Zeros([1, 1, seq], DType.Float32, b);
                var y = b.Attention(query, key, value, options, sums);
                y.ToArray<float>().Should().OnlyContain(x => x == 0);
                sums.ToArray<float>().Should().OnlyContain(x => float.IsNegativeInfinity(x));
                var (dQuery, dKey, dValue) = b.AttentionBackward(Normal(b, y.Shape, 4), query, key, value, y, sums, options);
                foreach (var gradient in new[] { dQuery, dKey, dValue })
                    gradient.ToArray<float>().Should().OnlyContain(x => x == 0);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    public void A_score_that_is_not_a_number_is_not_hidden(int seq)
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var key = Tensor.From(Enumerable.Range(0, 10 * 8).Select(i => i == 20 ? float.NaN : 0.1f * i).ToArray(), [1, 1, 10, 8], b);
            var y = b.Attention(Normal(b, [1, 1, seq, 8], 1), key, Normal(b, [1, 1, 10, 8], 3), new AttentionOptions(1, 10), null);
            y.ToArray<float>().Should().OnlyContain(x => float.IsNaN(x));
        }
    }

    [Fact]
    public void Keys_beyond_the_key_length_are_not_looked_at()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            foreach (var seq in new[] { 1, 5 })
            {
                var query = Normal(b, [1, 2, seq, 16], 1);
                var (key, value) = (Tensor.Full([1, 1, 50, 16], double.NaN, DType.Float32, b), Tensor.Full([1, 1, 50, 16], double.NaN, DType.Float32, b));
                b.WriteSlice(key, Normal(b, [1, 1, 21, 16], 2), 2, 0);
                b.WriteSlice(value, Normal(b, [1, 1, 21, 16], 3), 2, 0);
                var y = b.Attention(query, key, value, new AttentionOptions(1, 21) { Causal = true }, null);
                y.ToArray<float>().Should().OnlyContain(x => float.IsFinite(x));
            }
        }
    }

    private static Tensor? Hidden(Backend b, Hiding hiding, int batch, int seq, int keys)
    {
        if (hiding == Hiding.None)
            return null;
        var rows = hiding == Hiding.Padding ? 1 : seq;
        var random = new System.Random(7);
        var hidden = new bool[batch * rows * keys];
        for (var i = 0; i < hidden.Length; i++)
        {
            var (row, j) = (i / keys % rows, i % keys);

            // Padding hides the first keys; with rows of their own, every third row sees nothing.
            hidden[i] = hiding == Hiding.Padding ? j < keys / 3 : row % 3 == 1 || random.Next(3) == 0;
        }

        return Tensor.From(hidden, [batch, rows, keys], b);
    }
}
