using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class PagedAttentionKernelTests
{
    public static TheoryData<int, int, int> Heads => new()
    {
        // heads, keyValueHeads, headDim
        { 1, 1, 1 },
        { 4, 2, 16 },
        { 3, 3, 20 },
        { 16, 1, 8 },
        { 36, 1, 3 },
    };

    [Theory]
    [MemberData(nameof(Heads))]
    public void Writes_and_attends(int heads, int keyValueHeads, int headDim) =>
        AgreesWithReference(b => Run(b, heads, keyValueHeads, headDim, KeyValueFormat.Float32), relative: 1e-5, absolute: 3e-5);

    [Theory]
    [InlineData(31, 5, "not among the rows")]
    [InlineData(0, 33, "do not fit 1 pages")]
    public void Rows_that_do_not_fit_are_refused(int firstRow, int rows, string problem)
    {
        var layout = new KeyValuePageLayout(1, 1, 8, KeyValueFormat.Float32);
        using var page = new KeyValuePage(layout, Backends[0]);
        FluentActions.Invoking(() => new PagedBatch(35, layout, [new PagedSequence(firstRow, rows, 0, 0, [page])])).Should().Throw<TensorException>().WithMessage($"*{problem}*");
    }

    /// <summary>Several sequences over two layers: prompts with and without a context, then steps of one row each beside further prompts and rows of nobody.</summary>
    internal static Tensor[] Run(Backend b, int heads, int keyValueHeads, int headDim, KeyValueFormat format)
    {
        var layout = new KeyValuePageLayout(2, keyValueHeads, headDim, format);
        var pages = new List<KeyValuePage>();
        try
        {
            KeyValuePage[] Pages(int count) => [.. Enumerable.Range(0, count).Select(_ =>
            {
                var page = new KeyValuePage(layout, b);
                pages.Add(page);
                b.Write(page.Data, 0, [.. Enumerable.Repeat((byte)0xFF, (int)page.Data.ByteLength)]); // what nobody wrote is no number
                return page;
            })];
            var (first, second, third) = (Pages(3), Pages(1), Pages(10));
            PagedSequence[][] passes =
            [
                [new(0, 40, 0, 0, first, FirstKey: 3), new(42, 7, 0, 5, second)],
                [new(0, 1, 40, 0, first, FirstKey: 3), new(1, 290, 0, 290, third, FirstKey: 33)],
                [new(1, 1, 41, 0, first), new(2, 1, 7, 5, second), new(3, 1, 290, 290, third, FirstKey: 270)],
                [new(0, 3, 42, 0, first), new(3, 1, 291, 290, third)],
            ];
            var results = new List<Tensor>();
            for (var pass = 0; pass < passes.Length; pass++)
            {
                var rows = passes[pass][^1].FirstRow + passes[pass][^1].Rows + (pass % 2);
                var batch = new PagedBatch(rows, layout, passes[pass]);
                for (var layer = 0; layer < 2; layer++)
                {
                    var seed = (pass * 10) + (layer * 3);
                    b.WritePages(Normal(b, [rows, keyValueHeads, 1, headDim], seed, scale: 2), Normal(b, [rows, keyValueHeads, 1, headDim], seed + 1), batch, layer);
                    results.Add(b.PagedAttention(Normal(b, [rows, heads, 1, headDim], seed + 2, scale: 2), batch, layer, 0.3f));
                }
            }

            using var copy = new KeyValuePage(layout, b);
            copy.CopyFrom(first[0]);
            results.Add(b.PagedAttention(Normal(b, [1, heads, 1, headDim], 99), new PagedBatch(1, layout, [new(0, 1, 20, 0, [copy])]), 1, 0.3f));
            return [.. results];
        }
        finally
        {
            pages.ForEach(page => page.Dispose());
        }
    }
}
