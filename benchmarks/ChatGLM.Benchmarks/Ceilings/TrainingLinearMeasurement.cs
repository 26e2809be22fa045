using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A frozen layer as training computes it, activations and gradients in float32: the product with 512 rows, or the gradient that it passes on to its input.</summary>
internal sealed class TrainingLinearMeasurement(string name, CpuBackend backend, ColdWeights dense, Func<Tensor, LinearWeight> quantize, bool isBackward)
    : Measurement(name, "GFLOP/s", FmaPeak.CeilingName)
{
    private const int Rows = 512;
    private LinearWeight? _weight;
    private Tensor? _input;

    public override double Run()
    {
        _weight ??= quantize(dense.Weights[0].Tensor);
        _input ??= Tensor.Full([Rows, isBackward ? _weight.OutFeatures : _weight.InFeatures], 0.5, backend: backend);
        using var result = isBackward ? backend.LinearBackwardInput(_input, _weight) : backend.Linear(_input, _weight, null);
        return 2.0 * Rows * _weight.OutFeatures * _weight.InFeatures / 1e9;
    }

    public override void Dispose()
    {
        _input?.Dispose();
        if (_weight is null or DenseWeight)
            return; // a dense one belongs to the cold weights
        foreach (var (_, tensor) in _weight.Tensors)
            tensor.Dispose();
    }
}
