namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>The processor's backend on every vector width, with several numbers of threads.</summary>
internal static class SuiteBackends
{
    private static readonly Lazy<SuiteBackend[]> Lazy = new(() =>
        [.. from bits in new[] { 512, 256, 128, 0 } from threads in new[] { 1, 2, 3 } select Create(bits, threads)]);

    public static IReadOnlyList<SuiteBackend> All => Lazy.Value;

    private static SuiteBackend Create(int bits, int threads)
    {
        var backend = new CpuBackend(new CpuBackendOptions { MaxVectorBits = bits, Threads = threads });
        return new SuiteBackend($"{bits} bits, {threads} threads", backend, () => backend.Memory.LoanedBuffers, "cpu");
    }
}
