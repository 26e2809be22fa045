using ChatGLM.Tensors.Tests.Autograd;

namespace ChatGLM.Tensors.Tests.Memory;

/// <summary>Nothing is computed and nothing is kept for what is frozen.</summary>
public sealed class FrozenTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Reference);

    [Fact]
    public void A_frozen_linear_keeps_no_activation() => Kept(
        x => Functional.Linear(x, new DenseWeight(Leaf(false, 64, 64)), Leaf(false, 64))).Should().Be(0);

    [Fact]
    public void A_trained_linear_keeps_its_input_and_nothing_else() => Kept(
        x => Functional.Linear(x, new DenseWeight(Leaf(true, 64, 64)), Leaf(true, 64))).Should().Be(1);

    [Fact]
    public void A_trained_bias_alone_keeps_nothing() => Kept(
        x => Functional.Linear(x, new DenseWeight(Leaf(false, 64, 64)), Leaf(true, 64))).Should().Be(0);

    [Fact]
    public void Adding_keeps_nothing() => Kept(x => Functional.Add(x, Leaf(false, 64), 2)).Should().Be(0);

    [Fact]
    public void Multiplying_by_something_frozen_keeps_no_activation() => Kept(x => Functional.Multiply(x, Leaf(false, 64))).Should().Be(0);

    [Fact]
    public void A_product_keeps_the_side_whose_other_needs_a_gradient() => Kept(x => Functional.MatMul(x, Leaf(false, 64, 64))).Should().Be(0);

    [Fact]
    public void Moving_keeps_nothing() => Kept(x => Functional.Concat([Functional.Permute(Functional.Slice(x, 0, 1, 2), 1, 0).Reshape(2, -1), Leaf(false, 2, 64)], 0)).Should().Be(0);

    [Fact]
    public void A_frozen_branch_is_not_recorded()
    {
        var (frozen, x) = (Leaf(false, 4, 64), Leaf(true, 4, 64));
        var branch = Functional.Gelu(Functional.Linear(frozen, new DenseWeight(Leaf(false, 64, 64))));
        branch.Function.Should().BeNull();
        Functional.Sum(Functional.Multiply(x, branch)).Backward();
        frozen.Grad.Should().BeNull();
        x.Grad.Should().NotBeNull();
    }

    [Fact]
    public void No_kernel_runs_for_a_frozen_parameter()
    {
        var counting = new CountingBackend();
        Tensor Make(bool requiresGrad, params int[] shape)
        {
            var tensor = Tensor.Full(new Shape(shape), 0.5, DType.Float32, counting);
            tensor.RequiresGrad = requiresGrad;
            return tensor;
        }

        var (x, trained) = (Make(false, 3, 4), Make(true, 4));
        var first = Functional.Linear(x, new DenseWeight(Make(false, 4, 4)), trained);
        var second = Functional.RmsNorm(Functional.LayerNorm(first, Make(false, 4), Make(false, 4), 1e-5f), Make(false, 4), 1e-5f);
        Functional.Sum(Functional.Linear(second, new DenseWeight(Make(false, 2, 4)))).Backward();
        trained.Grad.Should().NotBeNull();
        counting.WeightGradients.Should().Be(0);
        counting.InputGradients.Should().Be(1, "the first layer's input needs none");
    }

    /// <summary>How many activations of 64 columns stay on loan for the tape when the operation's own result is gone.</summary>
    private long Kept(Func<Tensor, Tensor> operation)
    {
        using var scope = new TensorScope();
        var x = Leaf(true, 4, 64);
        long kept;
        using (var inner = new TensorScope())
        {
            var hidden = inner.Keep(Functional.Affine(x, 1));
            var y = inner.Keep(operation(hidden));
            var before = _backend.Memory.LoanedBytes;
            hidden.Dispose();
            kept = 1 - ((before - _backend.Memory.LoanedBytes) / hidden.ByteLength);
            Functional.Sum(y).Backward();
        }

        x.Grad.Should().NotBeNull();
        return kept;
    }

    private Tensor Leaf(bool requiresGrad, params int[] shape)
    {
        var tensor = Tensor.Full(new Shape(shape), 0.5, DType.Float32, _backend);
        tensor.RequiresGrad = requiresGrad;
        return tensor;
    }

    private sealed class CountingBackend : ReferenceBackend
    {
        public int WeightGradients { get; private set; }

        public int InputGradients { get; private set; }

        public override Tensor LinearBackwardInput(Tensor dy, LinearWeight weight)
        {
            InputGradients++;
            return base.LinearBackwardInput(dy, weight);
        }

        public override void LinearBackwardWeight(Tensor dy, Tensor x, Tensor grad)
        {
            WeightGradients++;
            base.LinearBackwardWeight(dy, x, grad);
        }

        public override Tensor LayerNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad)
        {
            WeightGradients += (weightGrad is null ? 0 : 1) + (biasGrad is null ? 0 : 1);
            return base.LayerNormBackward(dy, x, weight, epsilon, weightGrad, biasGrad);
        }

        public override Tensor RmsNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad)
        {
            WeightGradients += weightGrad is null ? 0 : 1;
            return base.RmsNormBackward(dy, x, weight, epsilon, weightGrad);
        }
    }
}
