namespace ChatGLM.Tensors;

/// <content>Parameters to another backend or element type.</content>
public abstract partial class Module
{
    /// <summary>Moves all parameters here and inside, with their gradients, to another backend (<c>module.to(device)</c>): onto a GPU, say. Optimizers are made after it, as in PyTorch.</summary>
    /// <param name="backend">What computes from now on.</param>
    public void MoveTo(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        foreach (var (_, module) in NamedModules().ToList())
            module.OnMoving();
        foreach (var (_, parameter) in NamedParameters().ToList())
            parameter.MoveTo(backend);
        foreach (var (_, module) in NamedModules())
            module.OnMoved(backend);
    }

    /// <summary>Converts all floating-point parameters here and inside (<c>module.to(dtype)</c>); the parts of quantized weights stay as they are.</summary>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <exception cref="ArgumentException">The type is none of these.</exception>
    public void ConvertTo(DType dtype)
    {
        if (dtype is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new ArgumentException($"Expected float32, float16 or bfloat16, found {dtype.TorchName()}.", nameof(dtype));
        foreach (var (_, module) in NamedModules().ToList())
        {
            module.OnMoving();
            foreach (var (_, parameter) in module.OwnParameters)
            {
                if (module.CanTrain(parameter))
                    parameter.MoveTo(parameter.Backend, dtype);
            }
        }
    }

    /// <summary>Converts all floating-point parameters to float16 (<c>module.half()</c>).</summary>
    public void Half() => ConvertTo(DType.Float16);

    /// <summary>Called before parameters are moved or converted: a module that holds what is derived from them lets it go.</summary>
    protected virtual void OnMoving()
    {
    }

    /// <summary>Called when all parameters lie on another backend: a module that holds tensors besides its parameters moves them.</summary>
    /// <param name="backend">What computes from now on.</param>
    protected virtual void OnMoved(Backend backend)
    {
    }
}
