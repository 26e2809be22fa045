using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// A dense matrix to a <see cref="GroupQuantizedWeight"/>; an item is a block of 16 rows. At 8 bits the scale is the largest magnitude over 127. At 4 bits a few step sizes around the obvious one are tried; each
/// gives integers, the integers give the scale (and minimum) of least squared error, and the step that ends up with the least error of all is taken: clipping one outlier can be worth more than holding it.
/// </summary>
internal readonly unsafe struct QuantizeGroupsBody(DType dtype, void* source, int outputs, int inputs, GroupQuantization how, byte* data, ushort* scales, ushort* minimums) : ILaneBody
{
    // Below this the reciprocal of a scale would overflow; such a group is zero.
    private const float Tiny = 1e-30f;

    // Steps to try for 4 bits around zero: how many of them the largest number is away from it. It may lie on -8, the longer side, or on 7.
    private static ReadOnlySpan<float> StepsToLargest => [-8f, -7.6f, -7.2f, -8.4f, -8.8f, 7f, 7.4f, -6.8f];

    // The same with a minimum: how many steps lie between smallest and largest.
    private static ReadOnlySpan<float> StepsOfRange => [15f, 14.5f, 15.5f, 14f, 16f, 13.5f];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var groupSize = how.GroupSize;
        var groups = (inputs + groupSize - 1) / groupSize;
        var block = stackalloc float[128];
        for (var item = from; item < to; item++)
        {
            for (var group = 0; group < groups; group++)
            {
                var index = (item * groups) + group;
                var words = (uint*)(data + (index * GroupMatrix.BlockRows * groupSize * how.Bits / 8));
                for (var lane = 0; lane < GroupMatrix.BlockRows; lane++)
                {
                    var row = (item * GroupMatrix.BlockRows) + lane;
                    Load<T>(row, group, block);
                    var (scale, minimum) = Fit<T>(block, row);
                    var at = (index * GroupMatrix.BlockRows) + lane;
                    var storedScale = (BFloat16)scale;
                    scales[at] = storedScale.Bits;
                    var offset = (float)(1 << (how.Bits - 1));
                    if (how.HasMinimum)
                    {
                        var storedMinimum = (BFloat16)minimum;
                        minimums[at] = storedMinimum.Bits;
                        minimum = (float)storedMinimum;
                        offset = 0;
                    }

                    Round<T>(block, (float)storedScale, minimum, offset);
                    Pack(block, words + lane);
                }
            }
        }
    }

    /// <summary>A group of a row. What is missing at the end of a row repeats the first number, so that it changes neither range nor fit; rows that are missing are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Load<T>(long row, int group, float* block)
        where T : unmanaged, ILanes<T>
    {
        var groupSize = how.GroupSize;
        var column = group * groupSize;
        var count = row < outputs ? Math.Min(groupSize, inputs - column) : 0;
        if (count > 0)
            FloatStore.Load<T>(dtype, source, (row * inputs) + column, block, count);
        if (count < groupSize)
            new Span<float>(block + count, groupSize - count).Fill(count > 0 ? block[0] : 0);
    }

    private (float Scale, float Minimum) Fit<T>(float* block, long row)
        where T : unmanaged, ILanes<T>
    {
        var (most, least, poison) = (T.Load(block), T.Load(block), T.Broadcast(0));
        for (var i = 0; i < how.GroupSize; i += T.Count)
        {
            var value = T.Load(block + i);
            most = T.Max(most, value);
            least = T.Min(least, value);
            poison += value - value;
        }

        if (poison.Sum() != 0)
            throw new TensorException(nameof(Backend.Quantize), $"row {row} of the matrix holds NaN or infinity.");
        var (largest, smallest) = (most.MaxAcross(), -(-least).MaxAcross());
        var magnitude = Math.Max(Math.Abs(largest), Math.Abs(smallest));
        if (how.HasMinimum)
            return largest - smallest <= Tiny ? (0, smallest) : FitWithMinimum<T>(block, smallest, largest);
        if (magnitude <= Tiny)
            return (0, 0);
        return how.Bits == 8 ? (magnitude / 127, 0) : (FitAroundZero<T>(block, largest >= -smallest ? largest : smallest), 0);
    }

    private float FitAroundZero<T>(float* block, float largest)
        where T : unmanaged, ILanes<T>
    {
        var (bestScore, scale) = (0f, 0f);
        foreach (var steps in StepsToLargest)
        {
            var (factor, low, high) = (T.Broadcast(steps / largest), T.Broadcast(-8), T.Broadcast(7));
            var (products, squares) = (T.Broadcast(0), T.Broadcast(0));
            for (var i = 0; i < how.GroupSize; i += T.Count)
            {
                var value = T.Load(block + i);
                var number = T.Max(T.Min(T.Round(value * factor), high), low);
                products += value * number;
                squares += number * number;
            }

            // The squared error that is left with the best scale for these integers, sum(x n) / sum(n n), is sum(x x) less this.
            var (product, square) = (products.Sum(), squares.Sum());
            var score = square == 0 ? 0 : product / square * product;
            if (score > bestScore)
                (bestScore, scale) = (score, product / square);
        }

        return scale == 0 ? largest / -8 : scale;
    }

    private (float Scale, float Minimum) FitWithMinimum<T>(float* block, float smallest, float largest)
        where T : unmanaged, ILanes<T>
    {
        var (bestError, scale, minimum) = (float.PositiveInfinity, (largest - smallest) / 15, smallest);
        foreach (var steps in StepsOfRange)
        {
            var (factor, low, zero, high) = (T.Broadcast(steps / (largest - smallest)), T.Broadcast(smallest), T.Broadcast(0), T.Broadcast(15));
            var (n, nn, x, xn, xx) = (zero, zero, zero, zero, zero);
            for (var i = 0; i < how.GroupSize; i += T.Count)
            {
                // Counted from the smallest, which takes nothing away from the precision of the sums.
                var value = T.Load(block + i) - low;
                var number = T.Max(T.Min(T.Round(value * factor), high), zero);
                n += number;
                nn += number * number;
                x += value;
                xn += value * number;
                xx += value * value;
            }

            var (sumN, sumNN, sumX, sumXN) = (n.Sum(), nn.Sum(), x.Sum(), xn.Sum());
            var determinant = (how.GroupSize * sumNN) - (sumN * sumN);
            if (determinant <= 0)
                continue;
            var slope = ((how.GroupSize * sumXN) - (sumX * sumN)) / determinant;
            var start = ((sumX * sumNN) - (sumN * sumXN)) / determinant;
            var error = xx.Sum() - (slope * sumXN) - (start * sumX);
            if (slope > 0 && error < bestError)
                (bestError, scale, minimum) = (error, slope, start + smallest);
        }

        return (scale, minimum);
    }

    /// <summary>The numbers as they are stored, in place: the nearest to each element by the scale and minimum as stored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Round<T>(float* block, float scale, float minimum, float offset)
        where T : unmanaged, ILanes<T>
    {
        var largest = (1 << how.Bits) - 1;
        var (by, start, shift) = (T.Broadcast(scale == 0 ? 1 : scale), T.Broadcast(how.HasMinimum ? minimum : 0), T.Broadcast(offset));
        var (low, high) = (T.Broadcast(how.Bits == 8 ? 1 : 0), T.Broadcast(largest));
        for (var i = 0; i < how.GroupSize; i += T.Count)
        {
            var number = scale == 0 ? T.Broadcast(0) : T.Round((T.Load(block + i) - start) / by);
            T.Max(T.Min(number + shift, high), low).Store(block + i);
        }
    }

    /// <summary>A word for every four columns at 8 bits, eight at 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Pack(float* block, uint* words)
    {
        if (how.Bits == 8)
        {
            for (var i = 0; i < how.GroupSize; i += 4, words += GroupMatrix.BlockRows)
                *words = (uint)block[i] | ((uint)block[i + 1] << 8) | ((uint)block[i + 2] << 16) | ((uint)block[i + 3] << 24);
            return;
        }

        for (var i = 0; i < how.GroupSize; i += 8, words += GroupMatrix.BlockRows)
        {
            *words = (uint)block[i] | ((uint)block[i + 1] << 8) | ((uint)block[i + 2] << 16) | ((uint)block[i + 3] << 24)
                | ((uint)block[i + 4] << 4) | ((uint)block[i + 5] << 12) | ((uint)block[i + 6] << 20) | ((uint)block[i + 7] << 28);
        }
    }
}
