#if HAS_TORCHSHARP
using System.Runtime.CompilerServices;
using ChatGLM.Tensors;
using ChatGLM.TorchSharp;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>Runs all cases on libtorch instead of the processor's own kernels if <c>CHATGLM_BACKEND</c> asks for it: <c>libtorch</c>, or <c>libtorch:cuda</c> for the first GPU.</summary>
internal static class ConformanceBackend
{
    [ModuleInitializer]
    internal static void Choose()
    {
        switch (Environment.GetEnvironmentVariable("CHATGLM_BACKEND"))
        {
            case null or "":
                return;
            case "libtorch":
                AppContext.SetData(Backend.DefaultDataName, new TorchBackend(Device.Cpu));
                return;
            case "libtorch:cuda":
                AppContext.SetData(Backend.DefaultDataName, new TorchBackend(Device.Cuda()));
                return;
            case var other:
                throw new InvalidOperationException($"CHATGLM_BACKEND is '{other}'; expected libtorch or libtorch:cuda, or nothing.");
        }
    }
}
#endif
