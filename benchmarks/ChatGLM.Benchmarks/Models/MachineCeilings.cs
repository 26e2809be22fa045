using System.Diagnostics;
using ChatGLM.Benchmarks.Ceilings;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>The ceilings of the machine, measured again beside every row, because other load on it comes and goes; the best figure counts.</summary>
internal sealed class MachineCeilings : IDisposable
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

    /// <summary>GB/s.</summary>
    public double ReadBandwidth => _best[0];

    /// <summary>GFLOP/s of float32.</summary>
    public double Fma => _best[1];

    /// <summary>GOP/s of 8-bit activations with 8-bit weights.</summary>
    public double Bytes => _best[2];

    /// <summary>GOP/s of 8-bit activations with 4-bit weights.</summary>
    public double Nibbles => _best[3];

    /// <summary>GFLOP/s of a large float32 product: not a ceiling, but what others are compared with.</summary>
    public double Gemm => _best[4];

    public void Refresh()
    {
        for (var i = 0; i < _measurements.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var work = _measurements[i].Run();
            _best[i] = Math.Max(_best[i], work / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    public void Dispose()
    {
        foreach (var measurement in _measurements)
            measurement.Dispose();
        _memory.Dispose();
    }
}
