namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <inheritdoc/>
    public override GroupQuantizedWeight Quantize(Tensor matrix, GroupQuantization how)
    {
        how.Validate();
        var (outputs, inputs) = (matrix.Shape[0], matrix.Shape[1]);
        var weight = New(GroupQuantizedWeight.WeightShape(outputs, inputs, how), DType.UInt8);
        var scales = New(GroupQuantizedWeight.ScaleShape(outputs, inputs, how), DType.BFloat16);
        var minimums = how.HasMinimum ? New(scales.Shape, DType.BFloat16) : null;
        var bytes = weight.AsSpan<byte>();
        bytes.Clear();
        for (var row = 0; row < scales.Shape[0] * 16; row++)
        {
            for (var group = 0; group < scales.Shape[1]; group++)
            {
                var count = row < outputs ? Math.Min(how.GroupSize, inputs - (group * how.GroupSize)) : 0;
                var values = Enumerable.Range(0, count).Select(i => (float)Get(matrix, ((long)row * inputs) + (group * how.GroupSize) + i)).ToArray();
                if (values.Any(v => !float.IsFinite(v)))
                    throw new TensorException(nameof(Quantize), $"row {row} holds NaN or infinity.");
                var (scale, minimum) = values.All(v => v == 0) ? (0, 0) : Fit(values, how);
                var at = ScaleIndex(row, group, scales.Shape[1]);
                Set(scales, at, scale);
                if (minimums is not null)
                    Set(minimums, at, minimum);
                (scale, minimum) = ((float)Get(scales, at), minimums is null ? 0 : (float)Get(minimums, at));
                for (var i = 0; i < how.GroupSize; i++)
                {
                    // Columns that are not there count as the first of their group, whose zero a symmetric weight stores as its offset.
                    var value = count == 0 ? 0 : values[i < count ? i : 0];
                    var number = scale == 0 ? 0 : (int)MathF.Round((value - minimum) / scale);
                    number = Math.Clamp(number + (how.HasMinimum ? 0 : 1 << (how.Bits - 1)), how.Bits == 8 ? 1 : 0, (1 << how.Bits) - 1);
                    var (index, shift) = Place(row, (group * how.GroupSize) + i, scales.Shape[1], how);
                    bytes[index] |= (byte)(number << shift);
                }
            }
        }

        return new GroupQuantizedWeight(weight, scales, minimums, outputs, inputs, how);
    }

    /// <summary>Activations in 8 bits with a scale per group, integer sums within a group, one float32 chain over the groups.</summary>
    public override Tensor LinearInference(Tensor x, LinearWeight weight, Tensor? bias)
    {
        if (weight is BlockQuantizedWeight blocks)
            return LinearBlocks(x, blocks, bias);
        if (weight is RowQuantizedWeight rows && x.Shape.With(x.Shape.Rank - 1, 1).ElementCount is var count && (count == 1 || count >= 64))
            return LinearRounded(x, rows, bias);
        if (weight is not GroupQuantizedWeight grouped)
            return Linear(x, weight, bias);
        var (inputs, outputs, groups) = (weight.InFeatures, weight.OutFeatures, grouped.Groups);
        var size = grouped.Format.GroupSize;
        var y = New(x.Shape.With(x.Shape.Rank - 1, outputs));
        var numbers = new int[groups * size];
        var scales = new float[groups];
        for (long row = 0; row < y.Shape.RowCount; row++)
        {
            RoundActivations(x, row, inputs, size, 127, numbers, scales);
            for (var output = 0; output < outputs; output++)
            {
                var sum = 0f;
                for (var group = 0; group < groups; group++)
                {
                    var (product, total) = (0, 0);
                    for (var i = group * size; i < (group + 1) * size; i++)
                    {
                        product += numbers[i] * Number(grouped, output, i);
                        total += numbers[i];
                    }

                    var at = ScaleIndex(output, group, groups);
                    if (grouped.Minimum is { } minimum)
                        sum = MathF.FusedMultiplyAdd((float)Get(minimum, at), scales[group] * total, sum);
                    sum = MathF.FusedMultiplyAdd(product, (float)Get(grouped.Scale, at) * scales[group], sum);
                }

                Set(y, (row * outputs) + output, bias is null ? sum : sum + (float)Get(bias, output));
            }
        }

        return y;
    }

    /// <summary>
    /// Activations in 16 bits with a scale per 512 columns, integer sums within those, one float32 chain over them, and the scale of the row at its end. Of a single row, what the rounding took away is a second
    /// number of 16 bits.
    /// </summary>
    private Tensor LinearRounded(Tensor x, RowQuantizedWeight weight, Tensor? bias)
    {
        const int Size = 512;
        var (inputs, outputs) = (weight.InFeatures, weight.OutFeatures);
        var y = New(x.Shape.With(x.Shape.Rank - 1, outputs));
        var rows = x.Shape.With(x.Shape.Rank - 1, 1).ElementCount;
        var (high, low) = (new int[(inputs + Size - 1) / Size * Size], new int[(inputs + Size - 1) / Size * Size]);
        var scales = new float[high.Length / Size];
        for (long row = 0; row < rows; row++)
        {
            RoundActivations(x, row, inputs, Size, 32767, high, scales);
            for (var i = 0; i < inputs; i++)
            {
                var value = scales[i / Size] > 0 ? (float)Get(x, (row * inputs) + i) * (32767 / LargestOf(x, row, inputs, i / Size * Size, Size)) : 0;
                low[i] = rows == 1 ? (int)MathF.Round((value - high[i]) * 32768) : 0;
            }

            for (var output = 0; output < outputs; output++)
            {
                var sum = 0f;
                for (var segment = 0; segment < scales.Length; segment++)
                {
                    var (product, lowProduct) = (0, 0);
                    for (var i = segment * Size; i < Math.Min(inputs, (segment + 1) * Size); i++)
                    {
                        var integer = Integer(weight, (output * inputs) + i);
                        product = checked(product + (high[i] * integer));
                        lowProduct = checked(lowProduct + (low[i] * integer));
                    }

                    sum = MathF.FusedMultiplyAdd(MathF.FusedMultiplyAdd(lowProduct, 1f / 32768, product), scales[segment], sum);
                }

                sum *= (float)Get(weight.Scale, output);
                Set(y, (row * outputs) + output, bias is null ? sum : sum + (float)Get(bias, output));
            }
        }

        return y;
    }

    private static float LargestOf(Tensor x, long row, int inputs, int start, int size)
    {
        var largest = 0f;
        for (var i = start; i < Math.Min(inputs, start + size); i++)
            largest = Math.Max(largest, Math.Abs((float)Get(x, (row * inputs) + i)));
        return largest;
    }

    private static void RoundActivations(Tensor x, long row, int inputs, int size, int largestNumber, int[] numbers, float[] scales)
    {
        for (var group = 0; group < scales.Length; group++)
        {
            var count = Math.Min(size, inputs - (group * size));
            var values = Enumerable.Range(0, count).Select(i => (float)Get(x, (row * inputs) + (group * size) + i)).ToArray();
            var largest = values.Max(MathF.Abs);
            scales[group] = values.Any(v => !float.IsFinite(v)) ? float.NaN : largest > 1e-30f ? largest / largestNumber : 0;
            for (var i = 0; i < size; i++)
                numbers[(group * size) + i] = i < count && scales[group] > 0 ? (int)MathF.Round(values[i] * (largestNumber / largest)) : 0;
        }
    }

    private Tensor DequantizeGroups(GroupQuantizedWeight weight)
    {
        var y = New([weight.OutFeatures, weight.InFeatures]);
        for (var row = 0; row < weight.OutFeatures; row++)
        {
            for (var column = 0; column < weight.InFeatures; column++)
            {
                var at = ScaleIndex(row, column / weight.Format.GroupSize, weight.Groups);
                var (number, scale) = (Number(weight, row, column), (float)Get(weight.Scale, at));
                Set(y, ((long)row * weight.InFeatures) + column, weight.Minimum is null ? number * scale : MathF.FusedMultiplyAdd(number, scale, (float)Get(weight.Minimum, at)));
            }
        }

        return y;
    }

    private static int Number(GroupQuantizedWeight weight, int row, int column)
    {
        var (index, shift) = Place(row, column, weight.Groups, weight.Format);
        var number = (weight.Weight.AsSpan<byte>()[index] >> shift) & ((1 << weight.Format.Bits) - 1);
        return weight.Minimum is null ? number - (1 << (weight.Format.Bits - 1)) : number;
    }

    /// <summary>The byte of an element and the bit that it begins at, as the documentation of the format says.</summary>
    private static (int Index, int Shift) Place(int row, int column, int groups, GroupQuantization how)
    {
        var (group, inGroup) = (column / how.GroupSize, column % how.GroupSize);
        var start = (((row / 16) * groups) + group) * 16 * how.GroupSize * how.Bits / 8;
        var columnsPerWord = 32 / how.Bits;
        var word = start + (((inGroup / columnsPerWord * 16) + (row % 16)) * 4);
        var inWord = inGroup % columnsPerWord;
        return (word + (inWord % 4), inWord / 4 * 4);
    }

    private static int ScaleIndex(int row, int group, int groups) => ((((row / 16) * groups) + group) * 16) + (row % 16);

    /// <summary>The scale and minimum of least squared error among those that a few step sizes lead to.</summary>
    private static (float Scale, float Minimum) Fit(float[] values, GroupQuantization how)
    {
        var x = values.Select(v => (double)v).Concat(Enumerable.Repeat((double)values[0], how.GroupSize - values.Length)).ToArray();
        var (smallest, largest) = (x.Min(), x.Max());
        var magnitude = Math.Max(-smallest, largest);
        if (how.Bits == 8)
            return ((float)magnitude / 127, 0);
        if (how.HasMinimum && largest == smallest)
            return (0, (float)smallest);
        var candidates = new List<(double Error, double Scale, double Minimum)>();
        foreach (var steps in how.HasMinimum ? new[] { 15f, 14.5f, 15.5f, 14f, 16f, 13.5f } : [-8f, -7.6f, -7.2f, -8.4f, -8.8f, 7f, 7.4f, -6.8f])
        {
            var (low, high, start, length) = how.HasMinimum ? (0, 15, smallest, largest - smallest) : (-8, 7, 0, largest >= -smallest ? largest : smallest);
            var n = x.Select(v => Math.Clamp(Math.Round((v - start) * (steps / length)), low, high)).ToArray();
            var (sumN, sumNN, sumX, sumXN) = (n.Sum(), n.Sum(v => v * v), x.Sum(), x.Zip(n, (a, b) => a * b).Sum());
            var determinant = (n.Length * sumNN) - (sumN * sumN);
            var (scale, minimum) = !how.HasMinimum ? (sumXN / sumNN, 0.0) : (((n.Length * sumXN) - (sumX * sumN)) / determinant, ((sumX * sumNN) - (sumN * sumXN)) / determinant);
            candidates.Add((x.Zip(n, (a, b) => Math.Pow(a - (b * scale) - minimum, 2)).Sum(), scale, minimum));
        }

        var best = candidates.MinBy(c => c.Error);
        return ((float)best.Scale, (float)best.Minimum);
    }
}
