using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>The kernels that write into tensors that exist: within the bound of the plain ones, and the bits of the backend's own kernels that make their results.</summary>
[Collection(KernelCheck.Collection)]
public class DecodeKernelTests
{
    [Theory]
    [InlineData(1, 7)]
    [InlineData(3, 64)]
    [InlineData(2, 20011)]
    public void Elementwise_and_norms(int rows, int width)
    {
        Agrees(b =>
        {
            var (x, other) = (Normal(b, [rows, 1, width], 1), Normal(b, [rows, 1, width], 2));
            var (weight, bias) = (Normal(b, [width], 3, dtype: DType.BFloat16), Normal(b, [width], 4, dtype: DType.Float16));
            return
            [
                (b.Add(x, other, 0.5f), k => Into(x.Shape, b, y => k.Add(x, other, 0.5f, y))),
                (b.LayerNorm(x, weight, bias, 1e-5f), k => Into(x.Shape, b, y => k.LayerNorm(x, weight, bias, 1e-5f, y))),
                (b.RmsNorm(x, weight, 1e-5f), k => Into(x.Shape, b, y => k.RmsNorm(x, weight, 1e-5f, y))),
                (b.Unary(UnaryOp.GeluTanh, x), k => Into(x.Shape, b, y => k.Unary(UnaryOp.GeluTanh, x, y))),
                (b.Unary(UnaryOp.Tanh, x), k => Into(x.Shape, b, y => k.Unary(UnaryOp.Tanh, x, y))),
                // In place: the target is an input.
                (b.Add(x, other), k => Same(b.Copy(x), y => k.Add(y, other, 1, y))),
                (b.Add(other, x, 3), k => Same(b.Copy(x), y => k.Add(other, y, 3, y))),
                (b.RmsNorm(x, weight, 1e-5f), k => Same(b.Copy(x), y => k.RmsNorm(y, weight, 1e-5f, y))),
                (b.LayerNorm(x, weight, bias, 1e-5f), k => Same(b.Copy(x), y => k.LayerNorm(y, weight, bias, 1e-5f, y))),
                (b.Unary(UnaryOp.GeluTanh, x), k => Same(b.Copy(x), y => k.Unary(UnaryOp.GeluTanh, y, y))),
            ];
        });
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 13696)]
    public void Gated_activation(int rows, int width) => Agrees(b =>
    {
        var x = Normal(b, [rows, 1, 2 * width], 1);
        return [(b.SwiGlu(x), k => Into([rows, 1, width], b, y => k.SwiGlu(x, y)))];
    });

    [Fact]
    public void Rows_of_a_table() => Agrees(b =>
    {
        var (ids, table) = (Tensor.From(new long[] { 4, 0, 4 }, [3, 1], b), Normal(b, [5, 33], 1, dtype: DType.BFloat16));
        return [(b.Embedding(ids, table), k => Into([3, 1, 33], b, y => k.Embedding(ids, table, y)))];
    });

    [Theory]
    [InlineData(1, 40, 64)]
    [InlineData(3, 33, 34)]
    [InlineData(9, 20, 66)]
    public void Products_over_every_format(int rows, int outputs, int inputs)
    {
        var plain = new ReferenceBackend();
        using var scope = new TensorScope();
        var groups = new[] { new GroupQuantization(8, 32), new GroupQuantization(4, 32), new GroupQuantization(4, 64, HasMinimum: true) }
            .Select(how => (how, plain.Quantize(Normal(plain, [outputs, inputs], 1, dtype: DType.BFloat16), how))).ToArray();
        Agrees(
            b =>
            {
                var x = Normal(b, [rows, 1, inputs], 2);
                var bias = Normal(b, [outputs], 5, dtype: DType.BFloat16);
                List<LinearWeight> weights = [.. new[] { DType.Float32, DType.Float16, DType.BFloat16 }.Select(type => new DenseWeight(Normal(b, [outputs, inputs], 1, dtype: type)))];
                weights.AddRange(new[] { 8, 4 }.Select(bits => b.Quantize(Normal(b, [outputs, inputs], 1), new RowQuantization(bits, DType.Float16, true))));
                weights.AddRange(groups.Select(g => new GroupQuantizedWeight(g.Item2.Weight.On(b), g.Item2.Scale.On(b), g.Item2.Minimum?.On(b), outputs, inputs, g.how)));
                return [.. weights.SelectMany<LinearWeight, (Tensor, Func<DecodeKernels, Tensor>)>(weight =>
                [
                    (b.LinearInference(x, weight, bias), k => Into([rows, 1, outputs], b, y => k.Linear(x, weight, bias, y))),
                    (b.LinearInference(x, weight, null), k => Into([rows, 1, outputs], b, y => k.Linear(x, weight, null, y))),
                ])];
            },
            // What rounds its activations is compared with one that does not.
            relative: 0.05,
            absolute: 0.3,
            comparesBits: false);
    }

    [Theory]
    [InlineData(3, 3, 24, 12, 2, RotaryStyle.HalfSplit, true)]
    [InlineData(4, 2, 128, 64, 1, RotaryStyle.Interleaved, false)]
    [InlineData(4, 1, 10, 6, 1, RotaryStyle.Interleaved, false)]
    [InlineData(2, 2, 8, 0, 0, RotaryStyle.HalfSplit, true)]
    public void Heads_go_into_a_cache(int heads, int keyValueHeads, int headDim, int rotaryDim, int sections, RotaryStyle style, bool perHead)
    {
        foreach (var (batch, seq, capacity, place) in new[] { (1, 1, 9, 4), (3, 1, 5, 0), (2, 3, 7, 4) })
        {
            var layout = new HeadLayout(heads, keyValueHeads, headDim, perHead);
            Agrees(b =>
            {
                var rotary = rotaryDim == 0 ? null : new RotaryTable(Normal(b, [13, rotaryDim / 2], 1), Normal(b, [13, rotaryDim / 2], 2), style, sections);
                var positions = rotary is null ? null : Integers(b, [batch, sections, seq], 3, 13);
                var qkv = Normal(b, [batch, seq, layout.Width], 4);
                var (query, key, value) = b.SplitHeads(qkv, positions, layout, rotary);
                // What was in the cache stays there.
                var (keys, values) = (Normal(b, [batch, keyValueHeads, capacity, headDim], 5), Normal(b, [batch, keyValueHeads, capacity, headDim], 6));
                var (expectedKeys, expectedValues) = (b.Copy(keys), b.Copy(values));
                b.WriteSlice(expectedKeys, key, 2, place);
                b.WriteSlice(expectedValues, value, 2, place);
                return
                [
                    (query, k => Into(query.Shape, b, y => k.SplitHeads(qkv, positions, layout, rotary, y, keys, values, place))),
                    (expectedKeys, _ => keys),
                    (expectedValues, _ => values),
                ];
            });
        }
    }

    [Theory]
    [InlineData(1, 3, 4, 2, 32)]
    [InlineData(2, 700, 4, 2, 32)]
    [InlineData(1, 257, 34, 2, 64)] // 17 heads share: four quads, then one by itself
    [InlineData(2, 33, 5, 1, 128)]
    [InlineData(1, 512, 8, 1, 32)]
    [InlineData(1, 21, 6, 1, 40)] // a head that is no whole number of vectors
    public void Attention_over_a_cache(int batch, int keyLength, int heads, int keyValueHeads, int headDim) => Agrees(
        b =>
        {
            var query = Normal(b, [batch, heads, 1, headDim], 1);
            var (key, value) = (Normal(b, [batch, keyValueHeads, keyLength + 5, headDim], 2), Normal(b, [batch, keyValueHeads, keyLength + 5, headDim], 3));
            var hidden = Tensor.From(Enumerable.Range(0, batch * keyLength).Select(i => i % 3 == 1).ToArray(), [batch, 1, keyLength], b);
            return [.. new[] { new AttentionOptions(0.2f, keyLength) { Causal = true }, new AttentionOptions(0.2f, keyLength) { Hidden = hidden }, new AttentionOptions(0.2f, keyLength) { Hidden = hidden, HiddenScore = -1e4f } }
                .Select<AttentionOptions, (Tensor, Func<DecodeKernels, Tensor>)>(options =>
                    (b.Attention(query, key, value, options, null), k => Into([batch, 1, heads * headDim], b, y => k.Attention(query, key, value, options, y))))];
        },
        relative: 1e-5,
        absolute: 1e-5);

    [Fact]
    public void Refuses_a_target_of_another_size()
    {
        using var scope = new TensorScope();
        foreach (var b in Backends)
        {
            var k = Of(b);
            var (x, small) = (Normal(b, [2, 1, 8], 1), Tensor.Empty([2, 1, 3], DType.Float32, b));
            var (weight, one) = (new DenseWeight(Normal(b, [4, 8], 2)), Normal(b, [8], 3));
            var layout = new HeadLayout(1, 1, 2, true);
            var (query, cache) = (Tensor.Empty([2, 1, 1, 2], DType.Float32, b), Tensor.Empty([2, 1, 3, 2], DType.Float32, b));
            var qkv = Normal(b, [2, 1, 6], 4);
            foreach (var call in new Action[]
            {
                () => k.Linear(x, weight, null, small), () => k.RmsNorm(x, one, 1e-5f, small), () => k.LayerNorm(x, one, one, 1e-5f, small), () => k.Add(x, x, 1, small), () => k.SwiGlu(x, small),
                () => k.Unary(UnaryOp.GeluTanh, x, small), () => k.Embedding(Tensor.From(new long[] { 1 }, [1], b), Normal(b, [2, 8], 5), small),
                () => k.SplitHeads(qkv, null, layout, null, query, cache, cache, 3), () => k.SplitHeads(qkv, null, layout, null, small, cache, cache, 0),
                () => k.Attention(query, cache, cache, new AttentionOptions(1, 3), small),
            })
                call.Should().Throw<TensorException>();
        }
    }

    private static DecodeKernels Of(Backend backend) => backend.Decoding ?? new DecodeKernels(backend);

    private static Tensor Into(Shape shape, Backend backend, Action<Tensor> kernel) => Same(Tensor.Full(shape, float.NaN, DType.Float32, backend), kernel);

    private static Tensor Same(Tensor target, Action<Tensor> kernel)
    {
        kernel(target);
        return target;
    }

    /// <summary>Pairs of what the backend's own kernel gives and what is written into a target.</summary>
    private static void Agrees(Func<Backend, (Tensor Made, Func<DecodeKernels, Tensor> Written)[]> cases, double relative = 1e-5, double absolute = 1e-5, bool comparesBits = true) => AgreesWithReference(
        b =>
        {
            var written = new List<Tensor>();
            foreach (var (made, write) in cases(b))
            {
                var target = write(Of(b));
                target.ToArray<float>().AsSpan().SequenceEqual(made.ToArray<float>()).Should().BeTrue("{0}'s kernel that makes its result gives the same bits", b.GetType().Name);
                written.Add(target);
            }

            return [.. written];
        },
        relative,
        absolute,
        comparesBits);
}
