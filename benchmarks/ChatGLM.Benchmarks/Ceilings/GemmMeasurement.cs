using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A square float32 matrix product.</summary>
internal sealed class GemmMeasurement : Measurement
{
    private readonly int _size;
    private readonly Tensor _a;
    private readonly Tensor _b;

    public GemmMeasurement(CpuBackend backend, int size)
        : base("gemm.f32", "GFLOP/s", FmaPeak.CeilingName)
    {
        _size = size;
        _a = Tensor.Full([size, size], 0.5, backend: backend);
        _b = Tensor.Full([size, size], 0.25, backend: backend);
    }

    public override double Run()
    {
        using var y = _a.Backend.MatMul(_a, _b);
        return 2.0 * _size * _size * _size / 1e9;
    }

    public override void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }
}
