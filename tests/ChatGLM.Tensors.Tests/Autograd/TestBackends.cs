namespace ChatGLM.Tensors.Tests.Autograd;

/// <summary>The backends that everything above the kernels is tested on.</summary>
internal static class TestBackends
{
    public const string Reference = "reference";
    public const string Cpu = "cpu";

    public static TheoryData<string> Names => [Reference, Cpu];

    /// <summary>A backend of its own, so that its buffers can be counted.</summary>
    public static HostBackend Create(string name) => name == Reference ? new ReferenceBackend() : new CpuBackend(new CpuBackendOptions { Threads = 2 });
}
