namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>
/// Runs one kernel on every backend of the suite, against the plain one: values within the stated bound, the same bits from those that promise it (the processor's for every vector width and
/// number of threads), and every buffer given back.
/// </summary>
internal static class KernelCheck
{
    /// <summary>Tests that share the backends run one after the other: they count buffers on loan.</summary>
    public const string Collection = "Kernels";

    public static IReadOnlyList<Backend> Backends => [.. SuiteBackends.All.Select(b => b.Backend)];

    /// <summary>Compares floating-point results with |found - expected| &lt;= absolute + relative * |expected|, and all other results exactly.</summary>
    public static void AgreesWithReference(Func<Backend, Tensor[]> kernel, double relative, double absolute, bool comparesBits = true)
    {
        var expected = Run(new ReferenceBackend(), kernel);
        var firsts = new Dictionary<string, (string Name, double[][] Found)>();
        foreach (var (name, backend, loanedBuffers, sameBits) in SuiteBackends.All)
        {
            var found = Run(backend, kernel);
            loanedBuffers().Should().Be(0, "every buffer must be given back ({0})", name);
            found.Length.Should().Be(expected.Length);
            for (var output = 0; output < expected.Length; output++)
                Compare(found[output], expected[output], relative, absolute, $"output {output}, {name}");
            if (!comparesBits || firsts.TryAdd(sameBits, (name, found)))
                continue;
            var (firstName, first) = firsts[sameBits];
            for (var output = 0; output < first.Length; output++)
            {
                for (var i = 0; i < first[output].Length; i++)
                {
                    if (BitConverter.DoubleToInt64Bits(first[output][i]) != BitConverter.DoubleToInt64Bits(found[output][i]) && !double.IsNaN(first[output][i]))
                        Assert.Fail($"output {output}, element {i}: {found[output][i]:R} with {name}, {first[output][i]:R} with {firstName}: not the same bits.");
                }
            }
        }
    }

    public static void Compare(double[] found, double[] expected, double relative, double absolute, string what)
    {
        found.Length.Should().Be(expected.Length, what);
        for (var i = 0; i < expected.Length; i++)
        {
            if (double.IsNaN(expected[i]) ? double.IsNaN(found[i]) : found[i].Equals(expected[i]))
                continue;
            var bound = absolute + (relative * Math.Abs(expected[i]));
            if (!(Math.Abs(found[i] - expected[i]) <= bound))
                Assert.Fail($"{what}, element {i}: expected {expected[i]:R}, found {found[i]:R}, off by {Math.Abs(found[i] - expected[i]):G3} with {bound:G3} allowed.");
        }
    }

    public static double[] Values(Tensor tensor)
    {
        if (tensor.DType == DType.Float64)
            return tensor.ToArray<double>();
        if (tensor.DType.IsFloatingPoint())
            return Array.ConvertAll(tensor.ToFloatArray(), value => (double)value);
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        var size = tensor.DType.SizeInBytes();
        return [.. Enumerable.Range(0, (int)tensor.ElementCount).Select(i => (double)ReadInteger(bytes.AsSpan(i * size, size), tensor.DType))];
    }

    /// <summary>Numbers of a bell shape about <paramref name="mean"/>, always the same for a seed.</summary>
    public static Tensor Normal(Backend backend, Shape shape, int seed, float scale = 1, float mean = 0, DType dtype = DType.Float32)
    {
        var random = new System.Random(seed);
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = mean + (scale * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())));
        var tensor = Tensor.From(values, shape, backend);
        return dtype == DType.Float32 ? tensor : backend.Cast(tensor, dtype);
    }

    public static Tensor Integers(Backend backend, Shape shape, int seed, int limit)
    {
        var random = new System.Random(seed);
        return Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(_ => random.NextInt64(limit)).ToArray(), shape, backend);
    }

    private static double[][] Run(Backend backend, Func<Backend, Tensor[]> kernel)
    {
        using var scope = new TensorScope();
        return Array.ConvertAll(kernel(backend), Values);
    }

    private static long ReadInteger(ReadOnlySpan<byte> bytes, DType dtype) => dtype switch
    {
        DType.Int64 => BitConverter.ToInt64(bytes),
        DType.Int32 => BitConverter.ToInt32(bytes),
        DType.Int16 => BitConverter.ToInt16(bytes),
        DType.Int8 => (sbyte)bytes[0],
        _ => bytes[0],
    };
}
