namespace ChatGLM.Tensors;

/// <summary>The processor: vector kernels on all cores. What has no fast kernel yet comes from <see cref="ReferenceBackend"/>.</summary>
public sealed partial class CpuBackend : ReferenceBackend
{
    private static readonly Lazy<CpuBackend> SharedBackend = new(() => new CpuBackend());

    /// <summary>Creates a backend with threads of its own.</summary>
    public CpuBackend(CpuBackendOptions? options = null) => Options = options ?? new CpuBackendOptions();

    /// <summary>The backend that is used where none is named.</summary>
    public static CpuBackend Shared => SharedBackend.Value;

    /// <summary>How the processor is used.</summary>
    public CpuBackendOptions Options { get; }
}
