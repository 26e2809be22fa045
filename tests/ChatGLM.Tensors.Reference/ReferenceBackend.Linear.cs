namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <inheritdoc/>
    public override Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias)
    {
        var w = Dense(weight);
        var (rows, columns) = (weight.InFeatures, weight.OutFeatures);
        var y = New(x.Shape.With(x.Shape.Rank - 1, columns));
        for (long row = 0; row < y.Shape.RowCount; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                var sum = bias is null ? 0 : Get(bias, column);
                for (var i = 0; i < rows; i++)
                    sum += Get(x, (row * rows) + i) * Get(w, ((long)column * rows) + i);
                Set(y, (row * columns) + column, sum);
            }
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor LinearBackwardInput(Tensor dy, LinearWeight weight)
    {
        var w = Dense(weight);
        var (inputs, outputs) = (weight.InFeatures, weight.OutFeatures);
        var dx = New(dy.Shape.With(dy.Shape.Rank - 1, inputs));
        for (long row = 0; row < dx.Shape.RowCount; row++)
        {
            for (var i = 0; i < inputs; i++)
            {
                double sum = 0;
                for (var o = 0; o < outputs; o++)
                    sum += Get(dy, (row * outputs) + o) * Get(w, ((long)o * inputs) + i);
                Set(dx, (row * inputs) + i, sum);
            }
        }

        return dx;
    }

    /// <inheritdoc/>
    public override void LinearBackwardWeight(Tensor dy, Tensor x, Tensor grad)
    {
        var (outputs, inputs) = (grad.Shape[0], grad.Shape[1]);
        for (var o = 0; o < outputs; o++)
        {
            for (var i = 0; i < inputs; i++)
            {
                double sum = 0;
                for (long row = 0; row < dy.Shape.RowCount; row++)
                    sum += Get(dy, (row * outputs) + o) * Get(x, (row * inputs) + i);
                Set(grad, ((long)o * inputs) + i, Get(grad, ((long)o * inputs) + i) + sum);
            }
        }
    }

    /// <inheritdoc/>
    public override RowQuantizedWeight Quantize(Tensor matrix, in RowQuantization how)
    {
        var (rows, columns) = (matrix.Shape[0], matrix.Shape[1]);
        if (how.Bits == 4 && columns % 2 != 0)
            throw new TensorException(nameof(Quantize), $"4 bits need an even number of columns, found {matrix.Shape}.");
        var largest = how.Bits == 8 ? 127 : 7;
        var weight = New([rows, columns * how.Bits / 8], DType.Int8);
        var scales = New([rows], how.ScaleType);
        var bytes = weight.AsSpan<sbyte>();
        for (var row = 0; row < rows; row++)
        {
            var values = Enumerable.Range(0, columns).Select(i => (float)Get(matrix, ((long)row * columns) + i)).ToArray();
            if (values.Any(v => !float.IsFinite(v)))
                throw new TensorException(nameof(Quantize), $"row {row} holds NaN or infinity.");
            var scale = values.Length == 0 ? 0 : values.Max(Math.Abs) / largest;
            Set(scales, row, scale);
            var divisor = how.DividesByStoredScale ? (float)Get(scales, row) : scale;
            for (var i = 0; i < columns; i++)
            {
                var integer = divisor == 0 ? 0 : Math.Clamp((int)MathF.Round(values[i] / divisor, MidpointRounding.ToEven), -largest, largest);
                if (how.Bits == 8)
                    bytes[(row * columns) + i] = (sbyte)integer;
                else if (i % 2 == 0)
                    bytes[((row * columns) + i) / 2] = (sbyte)(integer << 4);
                else
                    bytes[((row * columns) + i) / 2] |= (sbyte)(integer & 15);
            }
        }

        return new RowQuantizedWeight(weight, scales, how.Bits);
    }

    /// <inheritdoc/>
    public override Tensor Dequantize(LinearWeight weight)
    {
        if (weight is GroupQuantizedWeight grouped)
            return DequantizeGroups(grouped);
        if (weight is BlockQuantizedWeight blocks)
            return DequantizeBlocks(blocks);
        if (weight is not RowQuantizedWeight quantized)
            return Cast(((DenseWeight)weight).Tensor, DType.Float32);
        var y = New([weight.OutFeatures, weight.InFeatures]);
        for (var row = 0; row < weight.OutFeatures; row++)
        {
            for (var i = 0; i < weight.InFeatures; i++)
            {
                var at = (row * weight.InFeatures) + i;
                Set(y, at, Integer(quantized, at) * (float)Get(quantized.Scale, row));
            }
        }

        return y;
    }

    /// <summary>An element as stored; of a byte of two, the even one is in the high half.</summary>
    private static int Integer(RowQuantizedWeight weight, int at)
    {
        var bytes = weight.Weight.AsSpan<sbyte>();
        return weight.Bits == 8 ? bytes[at] : at % 2 == 0 ? bytes[at / 2] >> 4 : (sbyte)(bytes[at / 2] << 4) >> 4;
    }

    /// <inheritdoc/>
    public override (Tensor Sum, bool IsFinite) AddLowRank(Tensor matrix, ReadOnlySpan<LowRankTerm> terms)
    {
        var (rows, columns) = (matrix.Shape[0], matrix.Shape[1]);
        var y = New(matrix.Shape, matrix.DType);
        var isFinite = true;
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                var at = ((long)row * columns) + column;
                var sum = Get(matrix, at);
                foreach (var (left, right, scale) in terms)
                {
                    for (var k = 0; k < left.Shape[1]; k++)
                        sum += scale * Get(left, ((long)row * left.Shape[1]) + k) * Get(right, ((long)k * columns) + column);
                }

                Set(y, at, sum);
                isFinite &= double.IsFinite(Get(y, at));
            }
        }

        return (y, isFinite);
    }

    private Tensor Dense(LinearWeight weight) => weight is DenseWeight dense ? dense.Tensor : Dequantize(weight);

    /// <inheritdoc/>
    public override Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        var rank = a.Shape.Rank;
        var m = a.Shape[transposeA ? rank - 1 : rank - 2];
        var k = a.Shape[transposeA ? rank - 2 : rank - 1];
        var n = b.Shape[transposeB ? rank - 2 : rank - 1];
        var y = New(a.Shape.With(rank - 2, m).With(rank - 1, n));
        var batches = m * n == 0 ? 0 : y.ElementCount / ((long)m * n);
        for (long batch = 0; batch < batches; batch++)
        {
            for (var i = 0; i < m; i++)
            {
                for (var j = 0; j < n; j++)
                {
                    double sum = 0;
                    for (var l = 0; l < k; l++)
                    {
                        var p = Get(a, (batch * m * k) + (transposeA ? ((long)l * m) + i : ((long)i * k) + l));
                        var q = Get(b, (batch * k * n) + (transposeB ? ((long)j * k) + l : ((long)l * n) + j));
                        sum += p * q;
                    }

                    Set(y, (((batch * m) + i) * n) + j, sum);
                }
            }
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor Embedding(Tensor ids, Tensor table)
    {
        var width = table.Shape[1];
        var y = New(new Shape([.. ids.Shape.ToArray(), width]));
        for (long row = 0; row < ids.ElementCount; row++)
        {
            var id = GetInteger(ids, row);
            if (id < 0 || id >= table.Shape[0])
                throw new TensorException(nameof(Embedding), $"id {id} at position {row} is not in 0..{table.Shape[0] - 1}.");
            for (var i = 0; i < width; i++)
                Set(y, (row * width) + i, Get(table, (id * width) + i));
        }

        return y;
    }

    /// <inheritdoc/>
    public override void EmbeddingBackward(Tensor dy, Tensor ids, Tensor grad)
    {
        var width = grad.Shape[1];
        for (long row = 0; row < ids.ElementCount; row++)
        {
            var id = GetInteger(ids, row);
            for (var i = 0; i < width; i++)
                Set(grad, (id * width) + i, Get(grad, (id * width) + i) + Get(dy, (row * width) + i));
        }
    }
}
