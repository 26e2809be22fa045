using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A linear layer over a quantized weight as generation computes it, the weight cold in cache. Copies are made at the first run.</summary>
internal sealed class QuantizedLinearMeasurement(string name, CpuBackend backend, ColdWeights dense, Func<Tensor, LinearWeight> quantize, int rows)
    : Measurement(name, rows <= FewRows ? "GB/s" : "GFLOP/s", rows <= FewRows ? ReadBandwidth.CeilingName : FmaPeak.CeilingName)
{
    private const int FewRows = 8;
    private const int Copies = 8;
    private readonly List<LinearWeight> _weights = [];
    private Tensor? _x;

    public override double Run()
    {
        if (_x is null)
            Prepare();
        var weights = rows <= FewRows ? _weights : _weights[..1];
        double work = 0;
        foreach (var weight in weights)
        {
            using var y = backend.LinearInference(_x!, weight, null);
            work += rows <= FewRows ? weight.Tensors.Sum(part => part.Tensor.ByteLength) : 2.0 * rows * weight.OutFeatures * weight.InFeatures;
        }

        return work / 1e9;
    }

    public override void Dispose()
    {
        _x?.Dispose();
        foreach (var (_, tensor) in _weights.SelectMany(weight => weight.Tensors))
            tensor.Dispose();
    }

    private void Prepare()
    {
        // The copies are made from different matrices: a weight that is quantized anew lies in memory of its own.
        for (var copy = 0; copy < (rows <= FewRows ? Copies : 1); copy++)
            _weights.Add(quantize(dense.Weights[copy % dense.Weights.Count].Tensor));
        _x = Tensor.Zeros([rows, dense.Weights[0].InFeatures], backend: backend);
        new TorchGenerator(1).Normal(_x.AsSpan<float>(), 0, 1);
    }
}
