namespace ChatGLM.Tensors;

public sealed partial class Tensor
{
    private bool _requiresGrad;

    /// <summary>Whether a backward pass computes a gradient for this tensor. Set it on parameters; results of operations inherit it through the tape.</summary>
    /// <exception cref="TensorException">It is set on the result of a recorded operation, or on integers.</exception>
    public bool RequiresGrad
    {
        get => _requiresGrad || Function is not null;
        set
        {
            if (Function is not null)
                throw new TensorException(nameof(RequiresGrad), "this is the result of a recorded operation; set it on the parameters, or use Detach.");
            if (value && !DType.IsFloatingPoint())
                throw new TensorException(nameof(RequiresGrad), $"only floating-point tensors have gradients, this one holds {DType}.");
            _requiresGrad = value;
        }
    }

    /// <summary>The gradient, float32 and of this shape; null until a backward pass has reached this tensor. Passes add to it.</summary>
    public Tensor? Grad { get; private set; }

    internal int FunctionOutput { get; set; }

    /// <summary>The operation that made this tensor, if it was recorded.</summary>
    public GradFunction? Function { get; internal set; }

    /// <summary>Runs the backward pass from this single number: adds its gradient to <see cref="Grad"/> of every parameter it depends on, and frees the tape.</summary>
    /// <param name="retainGraph">Keep the tape for another pass.</param>
    /// <exception cref="TensorException">This is not a single number, or it was not recorded.</exception>
    public void Backward(bool retainGraph = false) => BackwardPass.Run(this, seed: null, retainGraph);

    /// <summary>Runs the backward pass from this tensor with a given gradient of the same shape.</summary>
    /// <param name="gradient">The gradient of some loss with respect to this tensor.</param>
    /// <param name="retainGraph">Keep the tape for another pass.</param>
    public void Backward(Tensor gradient, bool retainGraph = false) => BackwardPass.Run(this, gradient, retainGraph);

    /// <summary>Forgets the gradient and frees its memory.</summary>
    public void ZeroGrad()
    {
        Grad?.Dispose();
        Grad = null;
    }

    /// <summary>The gradient buffer to add to, made of zeros at the first use. It belongs to no scope: it lives until <see cref="ZeroGrad"/>.</summary>
    internal Tensor GradAccumulator()
    {
        if (Grad is null)
        {
            using (TensorScope.Suspend())
                Grad = Zeros(Shape, DType.Float32, Backend);
        }

        Grad.Unshare();
        return Grad;
    }

    /// <summary>Adds a gradient. The first one is taken over without copying if it has its memory to itself; should another edge of the tape take
    /// it too later, the next addition sees that the memory is shared and moves away first.</summary>
    internal void AccumulateGrad(Tensor gradient)
    {
        if (Grad is not null)
        {
            Grad.Unshare();
            Backend.AddInPlace(Grad, gradient);
        }
        else if (!gradient.IsShared && gradient.ByteLength == gradient.Storage.ByteLength)
        {
            Grad = gradient.Alias();
        }
        else
        {
            using (TensorScope.Suspend())
                Grad = Backend.Copy(gradient);
        }
    }
}
