using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>Copies of one 4096 x 13696 matrix (the widest layer of ChatGLM2-6B), more than any cache holds: taken in turn, each is cold.</summary>
internal sealed class ColdWeights : IDisposable
{
    public const int Outputs = 4096;
    public const int Inputs = 13696;
    private const int Copies = 6;

    private readonly Tensor _all;

    public ColdWeights(CpuBackend backend, DType dtype)
    {
        // Values as of trained weights. Random bits would be full of denormal numbers, which cost a hundred cycles each.
        var random = new Random(1);
        var pattern = new ushort[1 << 20];
        for (var i = 0; i < pattern.Length; i++)
        {
            var value = (float)((random.NextDouble() * 2) - 1) * 0.05f;
            pattern[i] = dtype == DType.Float16 ? BitConverter.HalfToUInt16Bits((Half)value) : ((BFloat16)value).Bits;
        }

        _all = Tensor.Empty([Copies, Outputs, Inputs], dtype, backend);
        for (long at = 0; at < _all.ByteLength;)
        {
            var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(pattern.AsSpan());
            bytes = bytes[..(int)Math.Min(bytes.Length, _all.ByteLength - at)];
            backend.Write(_all, at, bytes);
            at += bytes.Length;
        }

        Weights = Enumerable.Range(0, Copies).Select(copy => new DenseWeight(_all.View([Outputs, Inputs], (long)copy * Outputs * Inputs * dtype.SizeInBytes()))).ToArray();
    }

    public IReadOnlyList<DenseWeight> Weights { get; }

    /// <summary>All copies, to be read from end to end.</summary>
    public Tensor All => _all;

    public void Dispose()
    {
        foreach (var weight in Weights)
            weight.Tensor.Dispose();
        _all.Dispose();
    }
}
