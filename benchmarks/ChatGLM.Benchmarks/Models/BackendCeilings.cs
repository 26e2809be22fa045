using System.Diagnostics;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>The ceilings of a device as its own large kernels reach them: a copy for the bandwidth, square products for the arithmetic. What a device could do beyond its library does not show.</summary>
internal sealed class BackendCeilings : IDeviceCeilings
{
    private readonly int _size;
    private readonly Backend _backend;
    private readonly Tensor _memory;
    private readonly Tensor _square;
    private readonly DenseWeight _half;

    public BackendCeilings(Backend backend)
    {
        _backend = backend;
        // Large enough to keep a GPU busy for milliseconds; on a processor that would take minutes.
        _size = backend.Device == Device.Cpu ? 1024 : 8192;
        _memory = Tensor.Full([64 * _size, _size], 0.5, DType.BFloat16, backend);
        _square = Tensor.Full([_size, _size], 0.01, DType.Float32, backend);
        _half = new DenseWeight(Tensor.Full([_size, _size], 0.01, DType.BFloat16, backend));
        Refresh(); // warms up
        (ReadBandwidth, Fma, Gemm) = (0, 0, 0);
        Refresh();
    }

    /// <inheritdoc/>
    public double ReadBandwidth { get; private set; }

    /// <inheritdoc/>
    public double Fma { get; private set; }

    /// <inheritdoc/>
    public double Bytes => Fma;

    /// <inheritdoc/>
    public double Nibbles => Fma;

    /// <inheritdoc/>
    public double Gemm { get; private set; }

    /// <inheritdoc/>
    public void Refresh()
    {
        // A copy reads and writes.
        ReadBandwidth = Math.Max(ReadBandwidth, 2 * _memory.ByteLength / 1e9 / Seconds(() => _backend.Copy(_memory)));
        var operations = 2.0 * _size * _size * _size;
        Fma = Math.Max(Fma, operations / 1e9 / Seconds(() => _backend.Linear(_square, _half, null)));
        Gemm = Math.Max(Gemm, operations / 1e9 / Seconds(() => _backend.MatMul(_square, _square)));
        Fma = Math.Max(Fma, Gemm);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Dispose();
        _square.Dispose();
        _half.Tensor.Dispose();
    }

    private static double Seconds(Func<Tensor> kernel)
    {
        var start = Stopwatch.GetTimestamp();
        using var result = kernel();
        // Work on a device is over when a result of it can be read.
        result.Read(0, new byte[result.DType.SizeInBytes()]);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
