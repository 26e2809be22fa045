using BenchmarkDotNet.Attributes;
using ChatGLM.Benchmarks.Ceilings;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks;

/// <summary>A linear layer of ChatGLM2-6B over the few rows of decoding, its weight cold in cache.</summary>
public class MatVecBenchmarks
{
    private readonly CpuBackend _backend = new();
    private ColdWeights _weights = null!;
    private Tensor _x = null!;
    private int _next;

    /// <summary>The element type of the weight.</summary>
    [Params(DType.Float16, DType.BFloat16)]
    public DType WeightType { get; set; }

    /// <summary>Sequences decoded together.</summary>
    [Params(1, 4, 8)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _weights = new ColdWeights(_backend, WeightType);
        _x = Tensor.Full([Rows, ColdWeights.Inputs], 0.5, backend: _backend);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _x.Dispose();
        _weights.Dispose();
    }

    [Benchmark]
    public void Linear()
    {
        using var y = _backend.Linear(_x, _weights.Weights[_next], null);
        _next = (_next + 1) % _weights.Weights.Count;
    }
}
