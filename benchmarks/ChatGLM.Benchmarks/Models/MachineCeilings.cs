using System.Diagnostics;
using ChatGLM.Benchmarks.Ceilings;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>The ceilings of the processor and its memory.</summary>
internal sealed class MachineCeilings : IDeviceCeilings
{
    private readonly ColdWeights _memory;
    private readonly Measurement[] _measurements;
    private readonly double[] _best = new double[5];

    public MachineCeilings(CpuBackend backend)
    {
        _memory = new ColdWeights(backend, DType.BFloat16);
        _measurements = [new ReadBandwidth(backend, _memory), new FmaPeak(backend), new IntegerPeak(backend, 8), new IntegerPeak(backend, 4), new GemmMeasurement("gemm.f32", backend, 2048)];
        Refresh(); // warms up
        Array.Clear(_best);
        Refresh();
    }

    /// <inheritdoc/>
    public double ReadBandwidth => _best[0];

    /// <inheritdoc/>
    public double Fma => _best[1];

    /// <inheritdoc/>
    public double Bytes => _best[2];

    /// <inheritdoc/>
    public double Nibbles => _best[3];

    /// <inheritdoc/>
    public double Gemm => _best[4];

    /// <inheritdoc/>
    public void Refresh()
    {
        for (var i = 0; i < _measurements.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var work = _measurements[i].Run();
            _best[i] = Math.Max(_best[i], work / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var measurement in _measurements)
            measurement.Dispose();
        _memory.Dispose();
    }
}
