using BenchmarkDotNet.Attributes;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks;

/// <summary>Matrix products as training and prefill have them, from tiny models to square ones.</summary>
public class GemmBenchmarks
{
    private Tensor _left = null!;
    private Tensor _right = null!;
    private Tensor _gradient = null!;
    private DenseWeight _weight = null!;

    /// <summary>Rows of the activations, and both widths of the weight.</summary>
    [Params(32, 64, 256, 2048)]
    public int Size { get; set; }

    /// <summary>The element type of the weight.</summary>
    [Params(DType.Float32, DType.BFloat16)]
    public DType WeightType { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _left = Tensor.Full([Size, Size], 0.5);
        _right = Tensor.Full([Size, Size], 0.25);
        _gradient = Tensor.Zeros([Size, Size]);
        _weight = new DenseWeight(Tensor.Full([Size, Size], 0.25, WeightType));
    }

    [Benchmark]
    public void MatMul()
    {
        using var y = Backend.Default.MatMul(_left, _right);
    }

    [Benchmark]
    public void Linear()
    {
        using var y = Backend.Default.Linear(_left, _weight, null);
    }

    [Benchmark]
    public void LinearBackwardInput()
    {
        using var dx = Backend.Default.LinearBackwardInput(_left, _weight);
    }

    [Benchmark]
    public void LinearBackwardWeight() => Backend.Default.LinearBackwardWeight(_left, _right, _gradient);
}
