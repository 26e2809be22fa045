using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

/// <summary>The processor: vector kernels on all cores.</summary>
public sealed partial class CpuBackend : HostBackend
{
    private static readonly Lazy<CpuBackend> SharedBackend = new(() => new CpuBackend());

    /// <summary>Creates a backend with threads of its own, which start with the first large kernel and end when the backend is collected.</summary>
    public CpuBackend(CpuBackendOptions? options = null)
    {
        Options = options ?? new CpuBackendOptions();
        Pool = new WorkerPool(Options.Threads);
        VectorBits = WidestVector(Options.MaxVectorBits);
        IntegerPath = GroupKernels.Best(VectorBits);
    }

    /// <summary>The backend that is used where none is named.</summary>
    public static CpuBackend Shared => SharedBackend.Value;

    /// <summary>How the processor is used.</summary>
    public CpuBackendOptions Options { get; }

    /// <summary>The threads that all kernels share.</summary>
    internal WorkerPool Pool { get; }

    /// <summary>The vector width that the kernels use: 512, 256, 128, or 0 for scalar code.</summary>
    internal int VectorBits { get; }

    /// <summary>How products of integers are computed: set by tests, before the first one.</summary>
    internal IntegerPath IntegerPath { get; init; }

    // 512 bits are asked for by instruction set: on some processors .NET reports Vector512 as not accelerated because it prefers 256 for its own library.
    private static int WidestVector(int maxBits)
    {
        if (maxBits >= 512 && Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported)
            return 512;
        if (maxBits >= 256 && Avx2.IsSupported && Fma.IsSupported)
            return 256;
        return maxBits >= 128 && Vector128.IsHardwareAccelerated ? 128 : 0;
    }
}
