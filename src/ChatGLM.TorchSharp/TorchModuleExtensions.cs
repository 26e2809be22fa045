namespace ChatGLM.TorchSharp;

/// <summary>Models onto a device.</summary>
public static class TorchModuleExtensions
{
    /// <summary>Moves a model onto a device of libtorch (<c>model.to("cuda:0")</c>). Weights that were mapped are copied there; the model then needs its files no longer.</summary>
    /// <param name="module">A model, or any module; with adapters, the PeftModel.</param>
    /// <param name="device">Such as <c>Device.Cuda(0)</c>.</param>
    /// <returns>The same module.</returns>
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded, or there is no such device.</exception>
    public static TModule To<TModule>(this TModule module, Device device)
        where TModule : Module => module.To(new TorchBackend(device));

    /// <summary>Moves a model onto a backend that is open already, which shares one device between models and counts their memory together.</summary>
    /// <inheritdoc cref="To{TModule}(TModule, Device)" path="/param"/>
    /// <inheritdoc cref="To{TModule}(TModule, Device)" path="/returns"/>
    public static TModule To<TModule>(this TModule module, Backend backend)
        where TModule : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.MoveTo(backend);
        return module;
    }
}
