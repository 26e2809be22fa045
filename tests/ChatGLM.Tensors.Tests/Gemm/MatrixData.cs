namespace ChatGLM.Tensors.Tests.Gemm;

/// <summary>Random matrices in any element type, and the comparison with the witness.</summary>
internal static class MatrixData
{
    public static readonly DType[] FloatTypes = [DType.Float32, DType.Float16, DType.BFloat16];

    public static readonly int[] VectorBits = [0, 128, 256, 512];

    public static CpuBackend Cpu(int vectorBits = 512, int threads = 2) => new(new() { MaxVectorBits = vectorBits, Threads = threads });

    /// <summary>Values in -1..1, among them zeros and numbers that are subnormal as a half.</summary>
    public static Tensor Random(Backend backend, in Shape shape, DType dtype = DType.Float32, int seed = 0)
    {
        var random = new System.Random(seed * 7919 + (int)shape.ElementCount);
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (float)((random.NextDouble() * 2) - 1);
            if (random.Next(20) == 0)
                values[i] *= random.Next(2) * 3e-5f;
        }

        return dtype switch
        {
            DType.Float32 => Tensor.From(values, shape, backend),
            DType.Float16 => Tensor.From(Array.ConvertAll(values, value => (Half)value), shape, backend),
            DType.BFloat16 => Tensor.From(Array.ConvertAll(values, value => (BFloat16)value), shape, backend),
            DType.Float64 => Tensor.From(Array.ConvertAll(values, value => (double)value), shape, backend),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, null),
        };
    }

    /// <summary>A copy on another backend.</summary>
    public static Tensor On(this Tensor tensor, Backend backend)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        var copy = Tensor.Empty(tensor.Shape, tensor.DType, backend);
        backend.Write(copy, 0, bytes);
        return copy;
    }

    /// <summary>
    /// Checks a product against the witness's, which sums in double. A float32 sum of <paramref name="terms"/> products in any order is within terms * 2^-24 * sum |a| |b| of the
    /// exact one (Higham 2002, 3.5); <paramref name="magnitude"/> is the witness's product of the absolute values. Rounding the witness's result adds one more unit.
    /// </summary>
    public static void ShouldBeProduct(this Tensor actual, Tensor expected, Tensor magnitude, int terms)
    {
        actual.Shape.Should().Be(expected.Shape);
        actual.DType.Should().Be(DType.Float32);
        var (a, e, m) = (actual.ToArray<float>(), expected.ToArray<float>(), magnitude.ToArray<float>());
        for (var i = 0; i < a.Length; i++)
        {
            var bound = (terms + 2) * Math.Pow(2, -24) * m[i];
            if (!(Math.Abs((double)a[i] - e[i]) <= bound))
                Assert.Fail($"element {i} of {actual.Shape} is {a[i]}, expected {e[i]} within {bound}.");
        }
    }

    public static Tensor Absolute(this Tensor tensor)
    {
        var values = Array.ConvertAll(tensor.ToFloatArray(), Math.Abs);
        return Tensor.From(values, tensor.Shape, tensor.Backend);
    }
}
