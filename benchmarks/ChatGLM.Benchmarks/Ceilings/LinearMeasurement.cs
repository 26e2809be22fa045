using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A linear layer, its weight cold in cache: over few rows what decoding consists of, compared with the bandwidth; over many what prefill does, compared with the FMA peak.</summary>
internal sealed class LinearMeasurement : Measurement
{
    private const int FewRows = 8;
    private readonly ColdWeights _weights;
    private readonly int _rows;
    private readonly Tensor _x;

    public LinearMeasurement(string name, CpuBackend backend, ColdWeights weights, int rows)
        : base(name, rows <= FewRows ? "GB/s" : "GFLOP/s", rows <= FewRows ? ReadBandwidth.CeilingName : FmaPeak.CeilingName)
    {
        _weights = weights;
        _rows = rows;
        _x = Tensor.Full([rows, ColdWeights.Inputs], 0.5, backend: backend);
    }

    public override double Run()
    {
        // Over few rows all copies in turn; over many one takes long enough, and the round finds it cold again.
        var weights = _rows <= FewRows ? _weights.Weights : [_weights.Weights[0]];
        double work = 0;
        foreach (var weight in weights)
        {
            using var y = _x.Backend.Linear(_x, weight, null);
            work += _rows <= FewRows ? weight.Tensor.ByteLength : 2.0 * _rows * weight.Tensor.ElementCount;
        }

        return work / 1e9;
    }

    public override void Dispose() => _x.Dispose();
}
