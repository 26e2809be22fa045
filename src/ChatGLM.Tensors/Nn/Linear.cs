namespace ChatGLM.Tensors;

/// <summary>y = x W^T + b (<c>torch.nn.Linear</c>), over a weight of any format. An adapter that wraps a linear layer is one too.</summary>
public class Linear : Module
{
    /// <summary>Takes <c>weight</c> [out, in] and, if wanted, <c>bias</c> [out] from a place in the state dict.</summary>
    public Linear(WeightScope scope, int inFeatures, int outFeatures, bool bias = true)
    {
        // torch.nn.Linear's own first values: both uniform within 1 / sqrt(in).
        var bound = 1 / Math.Sqrt(inFeatures);
        Weight = scope.GetLinear(outFeatures, inFeatures, (generator, values) => generator.Uniform(values, -bound, bound));
        Bias = bias ? scope.Get("bias", [outFeatures], (generator, values) => generator.Uniform(values, -bound, bound)) : null;
    }

    /// <summary>Wraps tensors that exist.</summary>
    public Linear(LinearWeight weight, Tensor? bias = null)
    {
        Weight = weight;
        Bias = bias;
    }

    /// <summary>The weight, [out, in].</summary>
    public LinearWeight Weight { get; private set; }

    /// <summary>The bias, [out], if there is one.</summary>
    public Tensor? Bias { get; private set; }

    /// <summary>The width of the input.</summary>
    public int InFeatures => Weight.InFeatures;

    /// <summary>The width of the result.</summary>
    public int OutFeatures => Weight.OutFeatures;

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => Bias is null ? Weight.Tensors : Weight.Tensors.Append(("bias", Bias));

    /// <summary>[..., in] to [..., out].</summary>
    public virtual Tensor Forward(Tensor x) => Functional.Linear(x, Weight, Bias);

    /// <inheritdoc/>
    protected override bool CanTrain(Tensor parameter) => base.CanTrain(parameter) && (Weight is DenseWeight || ReferenceEquals(parameter, Bias));

    /// <summary>Puts the weight into another format, such as a quantized one. The old one is not disposed.</summary>
    public void SetWeight(LinearWeight weight)
    {
        if ((weight.OutFeatures, weight.InFeatures) != (OutFeatures, InFeatures))
            throw new TensorException(nameof(SetWeight), $"expected [{OutFeatures}, {InFeatures}], found [{weight.OutFeatures}, {weight.InFeatures}].");
        Weight = weight;
    }
}
