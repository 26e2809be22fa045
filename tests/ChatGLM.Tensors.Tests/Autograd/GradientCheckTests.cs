namespace ChatGLM.Tensors.Tests.Autograd;

/// <summary>A check that cannot fail proves nothing: backwards that are wrong in the usual ways have to be caught.</summary>
public sealed class GradientCheckTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Reference);

    [Fact]
    public void Passes_a_right_backward() => Error((dy, x) => dy.Backend.Multiply(dy, dy.Backend.Affine(x, 3, 0))).Should().BeLessThan(GradientCheck.Tolerance);

    [Fact]
    public void Catches_a_backward_that_is_off_by_one_part_in_a_thousand() =>
        Error((dy, x) => dy.Backend.Multiply(dy, dy.Backend.Affine(x, 3.003f, 0))).Should().BeGreaterThan(GradientCheck.Tolerance);

    [Fact]
    public void Catches_a_backward_that_forgets_the_incoming_gradient() => Error((dy, x) => dy.Backend.Affine(x, 3, 0)).Should().BeGreaterThan(GradientCheck.Tolerance);

    [Fact]
    public void Catches_a_wrong_sign() => Error((dy, x) => dy.Backend.Multiply(dy, dy.Backend.Affine(x, -3, 0))).Should().BeGreaterThan(GradientCheck.Tolerance);

    [Fact]
    public void Catches_a_backward_that_is_not_a_number() => Error((dy, _) => Tensor.Full(dy.Shape, double.NaN, DType.Float32, dy.Backend)).Should().BeGreaterThan(GradientCheck.Tolerance);

    private double Error(Func<Tensor, Tensor, Tensor> backward)
    {
        var x = Tensor.From([0.3f, -1.2f, 2f], [3], _backend);
        x.RequiresGrad = true;
        return GradientCheck.LargestError(
            inputs =>
            {
                var y = _backend.Affine(_backend.Unary(UnaryOp.Square, inputs[0]), 1.5f, 0);
                return [GradFunction.Records(inputs[0]) ? new ThreeHalvesOfSquare(inputs[0], backward).Attach(y) : y];
            },
            x);
    }

    private sealed class ThreeHalvesOfSquare : GradFunction
    {
        private readonly Tensor _x;
        private readonly Func<Tensor, Tensor, Tensor> _backward;

        public ThreeHalvesOfSquare(Tensor x, Func<Tensor, Tensor, Tensor> backward)
            : base(x) => (_x, _backward) = (Save(x), backward);

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, _backward(gradOutputs[0]!, _x));
    }
}
