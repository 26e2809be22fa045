using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A linear layer over few rows, its weight cold in cache: what decoding consists of.</summary>
internal sealed class MatVecMeasurement : Measurement
{
    private readonly ColdWeights _weights;
    private readonly Tensor _x;

    public MatVecMeasurement(string name, CpuBackend backend, ColdWeights weights, int rows)
        : base(name, "GB/s", ReadBandwidth.CeilingName)
    {
        _weights = weights;
        _x = Tensor.Full([rows, ColdWeights.Inputs], 0.5, backend: backend);
    }

    public override double Run()
    {
        double bytes = 0;
        foreach (var weight in _weights.Weights)
        {
            using var y = _x.Backend.Linear(_x, weight, null);
            bytes += weight.Tensor.ByteLength;
        }

        return bytes / 1e9;
    }

    public override void Dispose() => _x.Dispose();
}
