namespace ChatGLM.TorchSharp;

/// <content>Elementwise arithmetic and sums.</content>
public sealed partial class TorchBackend
{
    // The tanh form of GELU: sqrt(2 / pi), and the cubic coefficient (Hendrycks and Gimpel 2016).
    private const double GeluScale = 0.7978845608028654;
    private const double GeluCubic = 0.044715;

    /// <inheritdoc/>
    public override Tensor Add(Tensor a, Tensor b, float scale = 1)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(a).add(View(b), S(scale)));
    }

    /// <inheritdoc/>
    public override Tensor Multiply(Tensor a, Tensor b)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(a).mul(View(b)));
    }

    /// <inheritdoc/>
    public override Tensor Divide(Tensor a, Tensor b)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(a).div(View(b)));
    }

    /// <inheritdoc/>
    public override Tensor Affine(Tensor x, float scale, float offset)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(x).mul(S(scale)).add_(S(offset)));
    }

    /// <inheritdoc/>
    public override Tensor Unary(UnaryOp op, Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        var v = View(x);
        return Wrap(op switch
        {
            UnaryOp.GeluTanh => GeluArgument(v).sigmoid_().mul_(v),
            UnaryOp.Silu => v.sigmoid().mul_(v),
            UnaryOp.Tanh => v.tanh(),
            UnaryOp.Sigmoid => v.sigmoid(),
            UnaryOp.Relu => v.relu(),
            // log(1 + e^x) in a form that overflows nowhere.
            UnaryOp.Softplus => v.abs().neg_().exp_().log1p_().add_(v.relu()),
            UnaryOp.Exp => v.exp(),
            UnaryOp.Log => v.log(),
            UnaryOp.Sqrt => v.sqrt(),
            UnaryOp.Square => v.square(),
            _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
        });
    }

    /// <inheritdoc/>
    public override Tensor UnaryBackward(UnaryOp op, Tensor dy, Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        var (d, v) = (View(dy), View(x));
        return Wrap(op switch
        {
            UnaryOp.GeluTanh => GeluTanhDerivative(v).mul_(d),
            UnaryOp.Silu => SiluDerivative(v).mul_(d),
            UnaryOp.Tanh => v.tanh().square().neg_().add_(S(1)).mul_(d),
            UnaryOp.Sigmoid => v.sigmoid() is var s ? s.mul(s.neg().add_(S(1))).mul_(d) : null!,
            UnaryOp.Relu => d.mul(v.gt(I(0))),
            UnaryOp.Softplus => v.sigmoid().mul_(d),
            UnaryOp.Exp => v.exp().mul_(d),
            UnaryOp.Log => d.div(v),
            UnaryOp.Sqrt => d.mul(S(0.5)).div_(v.sqrt()),
            UnaryOp.Square => d.mul(S(2)).mul_(v),
            _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
        });
    }

    /// <inheritdoc/>
    public override void AddInPlace(Tensor target, Tensor source, float scale = 1)
    {
        using var scope = Torch.NewDisposeScope();
        var sum = Flat(target);
        if (target.DType == DType.Float32)
            sum.add_(Float(Flat(source)), S(scale));
        else
            sum.copy_(Float(sum).add(Float(Flat(source)), S(scale))); // summed in float32, rounded once
    }

    /// <inheritdoc/>
    public override void ScaleInPlace(Tensor target, float scale)
    {
        using var scope = Torch.NewDisposeScope();
        var product = Flat(target);
        if (target.DType == DType.Float32)
            product.mul_(S(scale));
        else
            product.copy_(Float(product).mul(S(scale)));
    }

    /// <inheritdoc/>
    public override Tensor SumTo(Tensor x, in Shape shape)
    {
        using var scope = Torch.NewDisposeScope();
        var count = shape.ElementCount;
        return Wrap(count == 0
            ? Torch.zeros(shape.ToTorch(), Torch.ScalarType.Float32, _device)
            : Flat(x).view(x.ElementCount / count, count).sum(dim: [0]).view(shape.ToTorch()));
    }

    /// <inheritdoc/>
    public override Tensor SumLast(Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(x).sum(dim: [-1]));
    }

    /// <inheritdoc/>
    public override double SumOfSquares(Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        return Flat(x).to_type(Torch.ScalarType.Float64).square().sum().item<double>();
    }

    /// <inheritdoc/>
    public override void AdamWStep(Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, in AdamWStep step)
    {
        using var scope = Torch.NewDisposeScope();
        var target = Flat(parameter);
        var (m, v) = (Flat(firstMoment), Flat(secondMoment));
        var g = step.GradientScale == 1 ? Flat(gradient) : Flat(gradient).mul(S(step.GradientScale));
        var correction1 = 1 - Math.Pow(step.Beta1, step.Step);
        var correction2 = 1 - Math.Pow(step.Beta2, step.Step);
        m.mul_(S(step.Beta1)).add_(g, S(1 - step.Beta1));
        v.mul_(S(step.Beta2)).addcmul_(g, g, S(1 - step.Beta2));
        var root = v.sqrt().div_(S(Math.Sqrt(correction2))).add_(S(step.Epsilon));
        // A half parameter is brought to float32 for its step and rounded once.
        var wide = target.dtype == Torch.ScalarType.Float32 ? target : Float(target);
        wide.mul_(S(1 - (step.LearningRate * step.WeightDecay))).addcdiv_(m, root, S(-step.LearningRate / correction1));
        if (!ReferenceEquals(wide, target))
            target.copy_(wide);
    }

    /// <summary>2 u, where (1 + tanh u) / 2 = sigmoid(2 u) is what GELU multiplies by: the sigmoid keeps its digits where the tangent is next to -1.</summary>
    private Torch.Tensor GeluArgument(Torch.Tensor v) => v.square().mul_(S(GeluCubic)).add_(S(1)).mul_(v).mul_(S(2 * GeluScale));

    private Torch.Tensor GeluTanhDerivative(Torch.Tensor v)
    {
        var argument = GeluArgument(v);
        var gate = argument.sigmoid();
        var inner = v.square().mul_(S(3 * GeluCubic)).add_(S(1)).mul_(S(2 * GeluScale)).mul_(v);
        return argument.neg_().sigmoid_().mul_(inner).add_(S(1)).mul_(gate);
    }

    private Torch.Tensor SiluDerivative(Torch.Tensor v)
    {
        var s = v.sigmoid();
        return s.neg().add_(S(1)).mul_(v).add_(S(1)).mul_(s);
    }
}
