using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>What batching stands on: a row gets the same bits in any company.</summary>
[Collection(KernelCheck.Collection)]
public class PagedInvarianceTests
{
    [Theory]
    [InlineData(KeyValueFormat.Float16)]
    [InlineData(KeyValueFormat.Int8)]
    public void Smaller_formats_agree_with_the_plain_version(KeyValueFormat format)
    {
        foreach (var (heads, keyValueHeads, headDim) in new[] { (1, 1, 1), (6, 2, 9) })
            AgreesWithReference(b => PagedAttentionKernelTests.Run(b, heads, keyValueHeads, headDim, format), relative: 1e-5, absolute: 3e-5);
    }

    [Fact]
    public void Copying_pages_together_gives_what_reading_them_in_place_does()
    {
        var backend = Backends[0];
        var layout = new KeyValuePageLayout(1, 2, 16, KeyValueFormat.Float32);
        using var scope = new TensorScope();
        var (key, value, query) = (Normal(backend, [50, 2, 1, 16], 1), Normal(backend, [50, 2, 1, 16], 2), Normal(backend, [50, 4, 1, 16], 3));
        var outputs = new List<float[]>();
        foreach (var gathers in new[] { false, true })
        {
            using var first = new KeyValuePage(layout, backend);
            using var second = new KeyValuePage(layout, backend);
            var batch = new PagedBatch(50, layout, [new PagedSequence(0, 50, 0, 10, [first, second], FirstKey: 4)]);
            if (gathers)
                GatheredPages.Write(backend, key, value, batch, 0);
            else
                backend.WritePages(key, value, batch, 0);
            outputs.Add((gathers ? GatheredPages.Attend(backend, query, batch, 0, 0.3f) : backend.PagedAttention(query, batch, 0, 0.3f)).ToArray<float>());
        }

        Compare([.. outputs[1].Select(x => (double)x)], [.. outputs[0].Select(x => (double)x)], 1e-5, 1e-5, "gathered");
    }

    [Theory]
    [InlineData(KeyValueFormat.Float32, 6, 2)]
    [InlineData(KeyValueFormat.Float32, 3, 3)]
    [InlineData(KeyValueFormat.Float16, 6, 2)]
    [InlineData(KeyValueFormat.Int8, 6, 1)]
    public void A_token_attends_with_the_same_bits_however_its_sequence_is_cut_and_whoever_is_beside_it(KeyValueFormat format, int heads, int keyValueHeads)
    {
        const int Tokens = 330;
        var layout = new KeyValuePageLayout(1, keyValueHeads, 24, format);
        foreach (var backend in Backends)
        {
            using var scope = new TensorScope();
            var (key, value, query) = (Normal(backend, [Tokens, keyValueHeads, 1, 24], 1), Normal(backend, [Tokens, keyValueHeads, 1, 24], 2), Normal(backend, [Tokens, heads, 1, 24], 3));
            var whole = Attend(backend, layout, key, value, query, [Tokens], before: 0);
            foreach (var cuts in new[] { Enumerable.Repeat(1, Tokens).ToArray(), [1, 2, 97, 3, 27, 200], [256, 74], [31, 1, 298] })
                Attend(backend, layout, key, value, query, cuts, before: cuts.Length % 3).Should().Equal(whole);
        }
    }

    /// <summary>Random integers under scales that differ a little.</summary>
    private static BlockQuantizedWeight Blocks(Backend backend, int outputs, int inputs, BlockFormat format)
    {
        var (columns, blockBytes) = BlockQuantizedWeight.BlockOf(format);
        var bytes = new byte[outputs * inputs / columns * blockBytes];
        new System.Random(4).NextBytes(bytes);
        for (var block = 0; block < bytes.Length; block += blockBytes)
            bytes[block + 1] = 0x2C; // the upper byte of a half: about 1 in 16
        return new BlockQuantizedWeight(Tensor.From(bytes, [outputs, inputs / columns * blockBytes], backend), inputs, format);
    }

    /// <summary>One sequence in pieces, each in a pass with other rows before it.</summary>
    private static float[] Attend(Backend backend, KeyValuePageLayout layout, Tensor key, Tensor value, Tensor query, int[] cuts, int before)
    {
        var pages = Enumerable.Range(0, KeyValuePageLayout.PagesOf(cuts.Sum())).Select(_ => new KeyValuePage(layout, backend)).ToArray();
        using var other = new KeyValuePage(layout, backend);
        var result = new List<float>();
        var at = 0;
        foreach (var count in cuts)
        {
            using var own = new TensorScope();
            PagedSequence[] sequences = [new(before, count, at, 0, pages)];
            if (before > 0)
                sequences = [new PagedSequence(0, before, 0, 0, [other]), .. sequences];
            var batch = new PagedBatch(before + count, layout, sequences);
            Tensor Rows(Tensor x) => before == 0 ? backend.Slice(x, 0, at, count) : backend.Concat([backend.Slice(x, 0, 0, before), backend.Slice(x, 0, at, count)], 0);
            backend.WritePages(Rows(key), Rows(value), batch, 0);
            var y = backend.PagedAttention(Rows(query), batch, 0, 0.2f).ToArray<float>();
            result.AddRange(y[(before * y.Length / (before + count))..]);
            at += count;
        }

        foreach (var page in pages)
            page.Dispose();
        return [.. result];
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    [InlineData("float16")]
    [InlineData("rows8")]
    [InlineData("rows4")]
    [InlineData("groups8")]
    [InlineData("groups4")]
    [InlineData("blocks4")]
    [InlineData("blocks8")]
    public void A_row_of_a_product_has_the_same_bits_beside_any_others_of_its_range(string format)
    {
        const int Inputs = 416, Outputs = 77;
        foreach (var backend in Backends)
        {
            using var scope = new TensorScope();
            var matrix = Normal(backend, [Outputs, Inputs], 1);
            LinearWeight weight = format switch
            {
                "rows8" => backend.Quantize(matrix, new RowQuantization(8, DType.Float32, true)),
                "rows4" => backend.Quantize(matrix, new RowQuantization(4, DType.Float32, true)),
                "groups8" => backend.Quantize(matrix, new GroupQuantization(8, 32)),
                "groups4" => backend.Quantize(matrix, new GroupQuantization(4, 32)),
                "blocks4" => Blocks(backend, Outputs, Inputs, BlockFormat.Q4_0),
                "blocks8" => Blocks(backend, Outputs, Inputs, BlockFormat.Q8_0),
                _ => new DenseWeight(backend.Cast(matrix, format == "float32" ? DType.Float32 : format == "float16" ? DType.Float16 : DType.BFloat16)),
            };
            var x = Normal(backend, [70, 1, Inputs], 2);
            var (least, most) = backend.FewRowsRange;
            var all = backend.LinearInference(x, weight, null).ToArray<float>();
            float[] Rows(int first, int count) => backend.LinearInference(backend.Slice(x, 0, first, count), weight, null).ToArray<float>();
            var many = backend.LeastManyRows(weight);
            foreach (var count in new[] { many, many + 1, many + 3, 17, 33, 64 }.Where(count => count >= many))
                Rows(3, count).Should().Equal(all[(3 * Outputs)..((3 + count) * Outputs)], "{0} rows", count);
            var few = Rows(5, most);
            for (var count = least; count <= most; count++)
                Rows(5, count).Should().Equal(few[..(count * Outputs)], "{0} rows", count);
            if (format.StartsWith("groups", StringComparison.Ordinal))
                Rows(5, 1).Should().Equal(all[(5 * Outputs)..(6 * Outputs)], "integers are exact in any number");
        }
    }
}
