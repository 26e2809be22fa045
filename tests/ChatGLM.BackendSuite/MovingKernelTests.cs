using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

[Collection(KernelCheck.Collection)]
public class MovingKernelTests
{
    private static readonly DType[] AllTypes = Enum.GetValues<DType>();

    public static TheoryData<DType, DType> TypePairs
    {
        get
        {
            var pairs = new TheoryData<DType, DType>();
            foreach (var from in AllTypes)
            {
                foreach (var to in AllTypes)
                    pairs.Add(from, to);
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(TypePairs))]
    public void Casts_between_all_types(DType from, DType to) => AgreesWithReference(
        b => [b.Cast(b.Cast(Normal(b, [2, 533], 1, scale: 30), from), to), b.Cast(b.Cast(Normal(b, [0], 1), from), to)], relative: 0, absolute: 0);

    [Fact]
    public void Casts_every_half_and_bfloat16_exactly()
    {
        var halves = Enumerable.Range(0, 65536).Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits)).ToArray();
        var uppers = Enumerable.Range(0, 65536).Select(bits => new BFloat16((ushort)bits)).ToArray();
        AgreesWithReference(b => [b.Cast(Tensor.From(halves, [65536], b), DType.Float32), b.Cast(Tensor.From(uppers, [65536], b), DType.Float32)], relative: 0, absolute: 0);
    }

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Rounds_to_nearest_even_at_and_beside_every_half_way_point(DType dtype)
    {
        // For each pair of neighbouring 16-bit numbers: the middle, and the float32 just below and above it; so every rounding decision there is.
        var values = new List<float> { float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.MaxValue, float.MinValue, float.Epsilon, 65519.996f, 65520f, -0f };
        for (var bits = 0; bits < 0x7FFF; bits++)
        {
            var (low, high) = dtype == DType.Float16
                ? ((double)BitConverter.UInt16BitsToHalf((ushort)bits), (double)BitConverter.UInt16BitsToHalf((ushort)(bits + 1)))
                : ((double)(float)new BFloat16((ushort)bits), (double)(float)new BFloat16((ushort)(bits + 1)));
            if (!double.IsFinite(high))
                continue;
            var middle = (float)((low + high) / 2);
            values.AddRange([middle, MathF.BitIncrement(middle), -MathF.BitDecrement(middle)]);
        }

        AgreesWithReference(b => [b.Cast(Tensor.From(values.ToArray(), [values.Count], b), dtype)], relative: 0, absolute: 0);
    }

    [Theory]
    [InlineData(new[] { 3, 5 }, new[] { 1, 0 })]
    [InlineData(new[] { 70, 33 }, new[] { 1, 0 })]
    [InlineData(new[] { 300, 401 }, new[] { 1, 0 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 0, 2, 1, 3 })]
    [InlineData(new[] { 2, 30, 4, 50 }, new[] { 0, 2, 1, 3 })]
    [InlineData(new[] { 2, 3, 4, 5 }, new[] { 3, 2, 1, 0 })]
    [InlineData(new[] { 6, 40, 35 }, new[] { 0, 2, 1 })]
    [InlineData(new[] { 6, 40, 35 }, new[] { 2, 0, 1 })]
    [InlineData(new[] { 6, 40, 35 }, new[] { 0, 1, 2 })]
    [InlineData(new[] { 1, 4, 1, 3 }, new[] { 2, 3, 0, 1 })]
    [InlineData(new[] { 2, 0, 3 }, new[] { 2, 1, 0 })]
    [InlineData(new int[0], new int[0])]
    public void Permutes_axes(int[] shape, int[] axes)
    {
        foreach (var dtype in new[] { DType.Float32, DType.BFloat16, DType.Int64, DType.Bool })
            AgreesWithReference(b => [b.Permute(b.Cast(Normal(b, new Shape(shape), 2, scale: 50), dtype), axes)], relative: 0, absolute: 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Joins_cuts_and_overwrites_along_any_axis(int axis)
    {
        foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.Int64, DType.Bool })
        {
            AgreesWithReference(
                b =>
                {
                    Tensor Make(int length, int seed) => b.Cast(Normal(b, new Shape(5, 17, 33).With(axis, length), seed, scale: 9), dtype);
                    var joined = b.Concat([Make(3, 1), Make(0, 2), Make(9, 3)], axis);
                    var target = Make(20, 4);
                    b.WriteSlice(target, Make(6, 5), axis, 14);
                    return [joined, b.Slice(joined, axis, 2, 7), b.Slice(joined, axis, 12, 0), target];
                },
                relative: 0,
                absolute: 0);
        }
    }

    [Fact]
    public void Moves_large_tensors_on_all_threads() => AgreesWithReference(
        b =>
        {
            var x = Normal(b, [60, 41, 32], 1);
            return [b.Copy(x), b.Slice(x, 0, 1, 58), b.Slice(x, 2, 3, 20), b.SelectRows(x, [5, 5, 0, 59, 31]), b.SelectRows(x, [])];
        },
        relative: 0,
        absolute: 0);

    [Theory]
    [MemberData(nameof(FillTypes))]
    public void Fills_every_type(DType dtype) => AgreesWithReference(
        b =>
        {
            Tensor Filled(int count, double value)
            {
                var x = Tensor.Empty([count], dtype, b);
                b.Fill(x, value);
                return x;
            }

            return [Filled(0, 1), Filled(1, 1), Filled(70_001, 3), Filled(5, 0)];
        },
        relative: 0,
        absolute: 0);

    public static TheoryData<DType> FillTypes => [.. AllTypes];
}
