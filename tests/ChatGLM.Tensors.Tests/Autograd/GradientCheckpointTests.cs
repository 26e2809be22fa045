namespace ChatGLM.Tensors.Tests.Autograd;

public sealed class GradientCheckpointTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Reference);

    [Fact]
    public void Keeps_only_its_inputs()
    {
        var (x, w) = (Leaf(1, 256), Leaf(256, 256));
        var plain = KeptBytes(() => Body(x, w));
        var checkpointed = KeptBytes(() => GradientCheckpoint.Run(input => Body(input, w), x));
        plain.Should().Be(4 * 256 * sizeof(float), "the inputs of tanh, gelu and square are kept, and the result is there");
        checkpointed.Should().Be(256 * sizeof(float), "only the result is new; the input is kept by a handle on memory that is there anyway");

        long KeptBytes(Func<Tensor> run)
        {
            using var scope = new TensorScope();
            var before = _backend.Memory.LoanedBytes;
            Tensor y;
            using (var inner = new TensorScope())
                y = inner.Keep(run());
            var kept = _backend.Memory.LoanedBytes - before;
            Functional.Sum(y).Backward();
            return kept;
        }
    }

    [Fact]
    public void Gives_the_same_gradients()
    {
        var (x, w) = (Leaf(2, 8), Leaf(8, 8));
        var plain = Gradients(() => Body(x, w), x, w);
        var checkpointed = Gradients(() => GradientCheckpoint.Run(input => Body(input, w), x), x, w);
        var nested = Gradients(() => GradientCheckpoint.Run(outer => GradientCheckpoint.Run(input => Body(input, w), GradientCheckpoint.Run(input => input, outer)), x), x, w);
        checkpointed.Should().BeEquivalentTo(plain, options => options.WithStrictOrdering());
        nested.Should().BeEquivalentTo(plain, options => options.WithStrictOrdering());
    }

    [Fact]
    public void Trains_parameters_though_no_input_needs_a_gradient()
    {
        var (x, w) = (Leaf(2, 8), Leaf(8, 8));
        x.RequiresGrad = false;
        Gradients(() => GradientCheckpoint.Run(input => Body(input, w), x), w)[0].Should().Equal(Gradients(() => Body(x, w), w)[0]);
    }

    [Fact]
    public void Records_nothing_where_nothing_needs_a_gradient()
    {
        var (x, w, other) = (Leaf(2, 8), Leaf(8, 8), Leaf(2, 8));
        x.RequiresGrad = w.RequiresGrad = false;
        GradientCheckpoint.Run(input => Body(input, w), x).RequiresGrad.Should().BeFalse();
        var y = GradientCheckpoint.Run(
            input =>
            {
                using var noGrad = GradMode.NoGrad();
                return Functional.Add(input, other);
            },
            x);
        y.RequiresGrad.Should().BeFalse("the body switches recording off itself");
        w.RequiresGrad = true;
        using (GradMode.NoGrad())
            GradientCheckpoint.Run(input => Body(input, w), x).RequiresGrad.Should().BeFalse();
    }

    [Fact]
    public void Draws_the_same_random_numbers_again_and_leaves_the_generator_where_it_was()
    {
        var x = Leaf(4, 16);
        Tensor? inForward = null, inBackward = null;
        var generator = new TorchGenerator(9);
        var y = GradientCheckpoint.Run(
            input =>
            {
                var dropped = Functional.Dropout(input, 0.5f, generator, training: true);
                (GradMode.Enabled ? ref inBackward : ref inForward) = dropped.Alias();
                return dropped;
            },
            x,
            generator);
        var after = generator.GetState();
        generator.NextUInt32();
        var later = generator.GetState();
        Functional.Sum(y).Backward();
        inBackward!.ToArray<float>().Should().Equal(inForward!.ToArray<float>());
        generator.GetState().Should().Equal(later).And.NotEqual(after);
        x.Grad!.ToArray<float>().Should().Equal(y.ToArray<float>().Select(value => value == 0 ? 0f : 2f));
    }

    [Fact]
    public void Several_inputs_and_outputs_keep_their_places()
    {
        var (a, b) = (Leaf(2, 3), Leaf(2, 3));
        var ids = Tensor.From([1L, 0], [2], _backend);
        var outputs = GradientCheckpoint.Run(
            inputs => [inputs[2], Functional.Multiply(inputs[0], inputs[1]), inputs[0], Functional.Embedding(inputs[2], inputs[1])],
            [a, b, ids]);
        outputs[0].ToArray<long>().Should().Equal(1, 0);
        outputs[0].RequiresGrad.Should().BeFalse();
        Functional.Add(Functional.Sum(outputs[2]), Functional.Sum(Functional.Affine(outputs[3], 2))).Backward();
        a.Grad!.ToArray<float>().Should().AllSatisfy(gradient => gradient.Should().Be(1));
        b.Grad!.ToArray<float>().Should().AllSatisfy(gradient => gradient.Should().Be(2));
    }

    [Fact]
    public void A_recorded_tensor_from_outside_gets_its_gradient_though_it_is_no_input()
    {
        var (x, p) = (Leaf(2, 3), Leaf(2, 3));
        var prompt = Functional.Tanh(p);
        var plain = Gradients(() => Functional.Multiply(Functional.Square(x), Functional.Tanh(p)), x, p);
        var checkpointed = Gradients(() => GradientCheckpoint.Run(input => Functional.Multiply(Functional.Square(input), prompt), x), x, p);
        checkpointed.Should().BeEquivalentTo(plain, options => options.WithStrictOrdering());
    }

    [Fact]
    public void A_body_that_does_something_else_the_second_time_is_refused()
    {
        var x = Leaf(2, 3);
        var y = GradientCheckpoint.Run(input => GradMode.Enabled ? Functional.Slice(input, 0, 0, 1) : Functional.Square(input), x);
        Functional.Sum(y).Invoking(sum => sum.Backward()).Should().Throw<TensorException>().WithMessage("GradientCheckpoint*[2, 3]*[1, 3]*");
    }

    [Fact]
    public void Leaves_no_buffer_behind()
    {
        var (x, w) = (Leaf(2, 8), Leaf(8, 8));
        var loaned = _backend.Memory.LoanedBuffers;
        for (var pass = 0; pass < 3; pass++)
        {
            Gradients(() => GradientCheckpoint.Run(input => Body(input, w), x), x, w);
            _backend.Memory.LoanedBuffers.Should().Be(loaned);
        }
    }

    private static Tensor Body(Tensor x, Tensor w)
    {
        using var scope = new TensorScope();
        var hidden = Functional.Tanh(Functional.Linear(x, new DenseWeight(w)));
        return scope.Keep(Functional.Square(Functional.Add(Functional.Gelu(hidden), x)));
    }

    private static float[][] Gradients(Func<Tensor> run, params Tensor[] leaves)
    {
        using (new TensorScope())
            Functional.Sum(run()).Backward();
        var gradients = Array.ConvertAll(leaves, leaf => leaf.Grad!.ToArray<float>());
        foreach (var leaf in leaves)
            leaf.ZeroGrad();
        return gradients;
    }

    private Tensor Leaf(int rows, int columns)
    {
        var values = new float[rows * columns];
        new TorchGenerator((ulong)values.Length).Normal(values, std: 0.3);
        var leaf = Tensor.From(values, [rows, columns], _backend);
        leaf.RequiresGrad = true;
        return leaf;
    }
}
