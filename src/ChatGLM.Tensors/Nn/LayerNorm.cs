namespace ChatGLM.Tensors;

/// <summary>Normalises the innermost axis to mean 0 and variance 1, then scales and shifts (<c>torch.nn.LayerNorm</c>; Ba et al. 2016).</summary>
public sealed class LayerNorm : NormModule
{
    /// <summary>Takes <c>weight</c> and <c>bias</c> [width] from a place in the state dict.</summary>
    public LayerNorm(WeightScope scope, int width, float epsilon)
    {
        Weight = scope.Get("weight", [width], (_, values) => values.Fill(1));
        Bias = scope.Get("bias", [width], (_, values) => values.Clear());
        Epsilon = epsilon;
    }

    /// <summary>The scale, [width].</summary>
    public Tensor Weight { get; }

    /// <summary>The shift, [width].</summary>
    public Tensor Bias { get; }

    /// <summary>Added to the variance.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [("weight", Weight), ("bias", Bias)];

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => Functional.LayerNorm(x, Weight, Bias, Epsilon);
}
