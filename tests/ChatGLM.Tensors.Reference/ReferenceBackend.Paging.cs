using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <inheritdoc/>
    public override void WritePages(Tensor key, Tensor value, PagedBatch batch, int layer)
    {
        var (heads, dim) = (batch.Layout.KeyValueHeads, batch.Layout.HeadDim);
        foreach (var sequence in batch.Sequences)
        {
            for (var i = 0; i < sequence.Rows; i++)
            {
                for (var head = 0; head < heads; head++)
                {
                    var at = (((long)sequence.FirstRow + i) * heads + head) * dim;
                    WriteHead(sequence, sequence.Start + i, layer, head, isValue: false, d => (float)Get(key, at + d));
                    WriteHead(sequence, sequence.Start + i, layer, head, isValue: true, d => (float)Get(value, at + d));
                }
            }
        }
    }

    /// <inheritdoc/>
    public override Tensor PagedAttention(Tensor query, PagedBatch batch, int layer, float scale)
    {
        var (heads, dim) = (query.Shape[1], query.Shape[3]);
        var y = New([batch.Rows, 1, heads * dim]);
        Fill(y, 0);
        foreach (var sequence in batch.Sequences)
        {
            for (var i = 0; i < sequence.Rows; i++)
            {
                for (var h = 0; h < heads; h++)
                {
                    var keyHead = h / (heads / batch.Layout.KeyValueHeads);
                    var at = (((long)sequence.FirstRow + i) * heads + h) * dim;
                    var scores = new double[sequence.VisibleTo(i)];
                    for (var j = 0; j < scores.Length; j++)
                    {
                        for (var d = 0; d < dim; d++)
                            scores[j] += scale * Get(query, at + d) * ReadElement(sequence, j, layer, keyHead, d, isValue: false);
                    }

                    for (var j = 0; j < Math.Min(sequence.FirstKey, scores.Length); j++)
                        scores[j] = double.NegativeInfinity;
                    var max = scores.Max();
                    if (double.IsNegativeInfinity(max))
                        continue; // sees nothing: zeros
                    var weights = Array.ConvertAll(scores, s => Math.Exp(s - max));
                    var sum = weights.Sum();
                    for (var d = 0; d < dim; d++)
                        Set(y, at + d, Enumerable.Range(0, scores.Length).Sum(j => weights[j] / sum * ReadElement(sequence, j, layer, keyHead, d, isValue: true)));
                }
            }
        }

        return y;
    }

    /// <summary>The byte at which an element of a key (or value) of a position lies in its page.</summary>
    private static long ByteOf(in KeyValuePageLayout layout, int layer, int head, int slot, int d, bool isValue)
    {
        var element = isValue
            ? ((((long)head * KeyValuePageLayout.Positions) + slot) * layout.HeadDim) + d
            : ((((long)head * layout.HeadDim) + d) * KeyValuePageLayout.Positions) + slot;
        return (layer * layout.LayerBytes) + (isValue ? layout.ElementBytesPerLayer : 0) + (element * layout.ElementBytes);
    }

    private static long ScaleByteOf(in KeyValuePageLayout layout, int layer, int head, int slot, bool isValue) =>
        (layer * layout.LayerBytes) + (2 * layout.ElementBytesPerLayer) + (isValue ? layout.ScaleBytesPerLayer : 0) + (((head * KeyValuePageLayout.Positions) + slot) * sizeof(float));

    private void WriteHead(in PagedSequence sequence, int position, int layer, int head, bool isValue, Func<int, float> element)
    {
        var page = sequence.Pages[position / KeyValuePageLayout.Positions];
        var slot = position % KeyValuePageLayout.Positions;
        var dim = page.Layout.HeadDim;
        var scale = Enumerable.Range(0, dim).Max(d => Math.Abs(element(d))) / 127;
        if (page.Layout.Format == KeyValueFormat.Int8)
            Write(page.Data, ScaleByteOf(page.Layout, layer, head, slot, isValue), MemoryMarshal.AsBytes<float>([scale]));
        for (var d = 0; d < dim; d++)
        {
            var at = ByteOf(page.Layout, layer, head, slot, d, isValue);
            if (page.Layout.Format == KeyValueFormat.Float32)
                Write(page.Data, at, MemoryMarshal.AsBytes<float>([element(d)]));
            else if (page.Layout.Format == KeyValueFormat.Float16)
                Write(page.Data, at, MemoryMarshal.AsBytes<Half>([(Half)element(d)]));
            else
                Write(page.Data, at, [(byte)(sbyte)(scale > 0 ? MathF.Round(element(d) * (1 / scale)) : 0)]);
        }
    }

    private double ReadElement(in PagedSequence sequence, int position, int layer, int head, int d, bool isValue)
    {
        var page = sequence.Pages[position / KeyValuePageLayout.Positions];
        var slot = position % KeyValuePageLayout.Positions;
        var at = ByteOf(page.Layout, layer, head, slot, d, isValue);
        Span<byte> bytes = stackalloc byte[4];
        switch (page.Layout.Format)
        {
            case KeyValueFormat.Float32:
                Read(page.Data, at, bytes);
                return BitConverter.ToSingle(bytes);
            case KeyValueFormat.Float16:
                Read(page.Data, at, bytes[..2]);
                return (double)BitConverter.ToHalf(bytes);
            default:
                Read(page.Data, at, bytes[..1]);
                var integer = (sbyte)bytes[0];
                Read(page.Data, ScaleByteOf(page.Layout, layer, head, slot, isValue), bytes);
                return integer * (double)BitConverter.ToSingle(bytes);
        }
    }
}
