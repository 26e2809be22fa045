namespace ChatGLM.Tensors;

/// <summary>A normalisation of the innermost axis: what a config chooses between.</summary>
public abstract class NormModule : Module
{
    /// <summary>[..., width] to [..., width].</summary>
    public abstract Tensor Forward(Tensor x);
}
