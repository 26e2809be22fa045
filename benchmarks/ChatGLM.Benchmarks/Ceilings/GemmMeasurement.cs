using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A square float32 matrix product, repeated until it is as much work as one of 2048 x 2048, up to a thousand times.</summary>
internal sealed class GemmMeasurement : Measurement
{
    private readonly int _size;
    private readonly int _repeats;
    private readonly Tensor _a;
    private readonly Tensor _b;

    public GemmMeasurement(string name, CpuBackend backend, int size)
        : base(name, "GFLOP/s", FmaPeak.CeilingName)
    {
        _size = size;
        _repeats = (int)Math.Clamp(Math.Pow(2048.0 / size, 3), 1, 1000);
        _a = Tensor.Full([size, size], 0.5, backend: backend);
        _b = Tensor.Full([size, size], 0.25, backend: backend);
    }

    public override double Run()
    {
        for (var i = 0; i < _repeats; i++)
            _a.Backend.MatMul(_a, _b).Dispose();
        return 2.0 * _repeats * _size * _size * _size / 1e9;
    }

    public override void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }
}
