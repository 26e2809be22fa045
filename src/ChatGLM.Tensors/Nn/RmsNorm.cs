namespace ChatGLM.Tensors;

/// <summary>Divides by the root of the mean square of the innermost axis, then scales (Zhang and Sennrich 2019).</summary>
public sealed class RmsNorm : NormModule
{
    /// <summary>Takes <c>weight</c> [width] from a place in the state dict.</summary>
    public RmsNorm(WeightScope scope, int width, float epsilon)
    {
        Weight = scope.Get("weight", [width], (_, values) => values.Fill(1));
        Epsilon = epsilon;
    }

    /// <summary>The scale, [width].</summary>
    public Tensor Weight { get; }

    /// <summary>Added to the mean square.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [("weight", Weight)];

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => Functional.RmsNorm(x, Weight, Epsilon);
}
