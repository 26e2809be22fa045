using ChatGLM.Tensors;
#if HAS_TORCHSHARP
using ChatGLM.TorchSharp;
#endif

namespace ChatGLM.Benchmarks.Models;

/// <summary>What computes in a run, by its name on the command line.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Description">What the table says of it.</param>
/// <param name="MeasureCeilings">Measures what the device can do at most.</param>
internal sealed record BenchmarkDevice(Backend Backend, string Description, Func<IDeviceCeilings> MeasureCeilings)
{
    /// <summary>The processor's own kernels, libtorch on the processor, and libtorch on the first GPU.</summary>
    public static readonly string[] Names = ["cpu", "libtorch", "cuda"];

    /// <exception cref="NotSupportedException">The build is without TorchSharp.</exception>
    public static BenchmarkDevice Open(string name, int threads)
    {
        if (name == "cpu")
        {
            var cpu = new CpuBackend(new CpuBackendOptions { Threads = threads });
            return new BenchmarkDevice(cpu, $"{cpu.Pool.Threads} threads, {cpu.VectorBits}-bit vectors, integers by {cpu.IntegerPath}", () => new MachineCeilings(cpu));
        }

#if HAS_TORCHSHARP
        var torch = new TorchBackend(name == "cuda" ? Device.Cuda() : Device.Cpu);
        return new BenchmarkDevice(torch, $"libtorch on {torch.Device}", () => new BackendCeilings(torch));
#else
        throw new NotSupportedException(
            $"--device {name}: TorchSharp is not part of this build. Run eng/probe-torchsharp, and build with -p:TorchSharpRuntime=TorchSharp-cuda-linux (or TorchSharp-cuda-windows, TorchSharp-cpu). Or use --device cpu.");
#endif
    }
}
