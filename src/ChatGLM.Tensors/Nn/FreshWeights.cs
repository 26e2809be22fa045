namespace ChatGLM.Tensors;

/// <summary>Makes every parameter new, in the order in which the modules ask, from one generator: a model to be trained from scratch.</summary>
/// <param name="generator">Where random values come from.</param>
/// <param name="dtype">The element type of the parameters.</param>
/// <param name="backend">Where they lie; the default backend if null.</param>
public sealed class FreshWeights(TorchGenerator generator, DType dtype = DType.Float32, Backend? backend = null) : IWeightSource
{
    /// <inheritdoc/>
    public Backend Backend { get; } = backend ?? Backend.Default;

    /// <inheritdoc/>
    public Tensor Get(string name, in Shape shape, Initializer initialize) => Create(Backend, generator, shape, dtype, initialize);

    /// <inheritdoc/>
    public bool Contains(string name) => true;

    /// <summary>One fresh parameter that requires a gradient.</summary>
    public static Tensor Create(Backend backend, TorchGenerator generator, in Shape shape, DType dtype, Initializer initialize)
    {
        Tensor tensor;
        if (backend is HostBackend)
        {
            tensor = Tensor.Empty(shape, DType.Float32, backend);
            initialize(generator, tensor.AsSpan<float>());
        }
        else
        {
            var values = new float[shape.ElementCount];
            initialize(generator, values);
            tensor = Tensor.From(values, shape, backend);
        }

        if (dtype != DType.Float32)
        {
            using var wide = tensor;
            tensor = backend.Cast(wide, dtype);
        }

        tensor.RequiresGrad = true;
        return tensor;
    }
}
