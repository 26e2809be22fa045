using ChatGLM.TorchSharp;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>libtorch on the processor, and on the first GPU where there is one.</summary>
internal static class SuiteBackends
{
    private static readonly Lazy<SuiteBackend[]> Lazy = new(() =>
        [.. new[] { Device.Cpu, Device.Cuda() }.Where(d => d == Device.Cpu || Torch.cuda.is_available()).Select(Create)]);

    public static IReadOnlyList<SuiteBackend> All => Lazy.Value;

    private static SuiteBackend Create(Device device)
    {
        // The suite's bounds are float32's; a GPU would otherwise multiply in the weight's own type.
        var backend = new TorchBackend(new TorchBackendOptions { Device = device, ComputeType = DType.Float32 });
        return new SuiteBackend($"libtorch on {device}", backend, () => backend.Memory.LoanedBuffers, device.ToString());
    }
}
