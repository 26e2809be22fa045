namespace ChatGLM.Tensors.Tests.Autograd;

public sealed class TapeTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Reference);

    [Fact]
    public void A_shared_subexpression_gets_the_sum_of_its_gradients()
    {
        var x = Leaf(3);
        var square = Functional.Square(x);
        Functional.Add(Functional.Multiply(square, square), square).Backward();
        x.Grad!.Item().Should().Be((4 * 27) + (2 * 3));
    }

    [Fact]
    public void A_diamond_is_walked_once_per_operation()
    {
        var x = Leaf(2);
        var counting = new Counting(x);
        var shared = counting.Attach(_backend.Copy(x));
        var left = Functional.Affine(shared, 3);
        var right = Functional.Affine(Functional.Affine(shared, 5), 7);
        Functional.Add(left, right).Backward();
        counting.Calls.Should().Be(1);
        x.Grad!.Item().Should().Be(38);
    }

    [Fact]
    public void A_long_residual_stream_sums_in_place()
    {
        var x = Leaf(Enumerable.Range(1, 64).Select(i => i / 64f).ToArray());
        using var scope = new TensorScope();
        var hidden = x;
        for (var layer = 0; layer < 10; layer++)
            hidden = Functional.Add(hidden, Functional.Affine(hidden, 0.5f));
        var sum = Functional.Sum(hidden);
        sum.Backward();
        x.Grad!.ToArray<float>().Should().AllSatisfy(gradient => gradient.Should().BeApproximately(MathF.Pow(1.5f, 10), 1e-3f));
    }

    [Fact]
    public void An_operation_with_several_outputs_gets_null_for_those_that_no_loss_needs()
    {
        var x = Leaf(1, 2);
        var function = new TwoOutputs(x);
        _ = function.Attach(_backend.Copy(x));
        var second = function.Attach(_backend.Copy(x));
        Functional.Sum(second).Backward();
        function.Given.Should().Equal(false, true);
        x.Grad!.ToArray<float>().Should().Equal(1, 1);
    }

    [Fact]
    public void Gradients_of_several_passes_add_up()
    {
        var x = Leaf(2);
        for (var pass = 0; pass < 3; pass++)
            Functional.Square(x).Backward();
        x.Grad!.Item().Should().Be(12);
        x.ZeroGrad();
        x.Grad.Should().BeNull();
        Functional.Square(x).Backward();
        x.Grad!.Item().Should().Be(4);
    }

    [Fact]
    public void The_gradient_is_the_same_object_from_pass_to_pass()
    {
        var x = Leaf(2);
        Functional.Square(x).Backward();
        var gradient = x.Grad;
        var view = gradient!.Detach();
        Functional.Square(x).Backward();
        x.Grad.Should().BeSameAs(gradient);
        x.Grad!.Item().Should().Be(8);
        view.Item().Should().Be(4, "what somebody else looks at is not changed under them");
    }

    [Fact]
    public void Two_leaves_that_share_one_incoming_gradient_do_not_share_its_memory()
    {
        var (a, b) = (Leaf(1, 1), Leaf(1, 1));
        var sum = Functional.Add(a, b);
        Functional.Sum(Functional.Add(sum, a)).Backward();
        a.Grad!.ToArray<float>().Should().Equal(2, 2);
        b.Grad!.ToArray<float>().Should().Equal(1, 1);
        Functional.Sum(b).Backward();
        a.Grad!.ToArray<float>().Should().Equal(2, 2);
        b.Grad!.ToArray<float>().Should().Equal(2, 2);
    }

    [Fact]
    public void A_gradient_taken_over_by_a_leaf_is_not_changed_for_a_later_operation()
    {
        // dy of the sum goes to the leaf and to the product's operation, and the leaf gets a second part before the product has run.
        var (a, b) = (Leaf(1, 1), Leaf(2, 3));
        var earliest = Functional.Affine(b, 1);
        var direct = Functional.Add(a, Functional.Square(a));
        Functional.Sum(Functional.Add(direct, earliest)).Backward();
        b.Grad!.ToArray<float>().Should().Equal(1, 1);
        a.Grad!.ToArray<float>().Should().Equal(3, 3);
    }

    [Fact]
    public void A_given_gradient_stays_the_callers()
    {
        var x = Leaf(1, 2);
        var seed = Tensor.From([5f, 6f], [2], _backend);
        var y = x.Reshape(2, 1).Reshape(2);
        y.Backward(seed, retainGraph: true);
        y.Backward(seed);
        seed.ToArray<float>().Should().Equal(5, 6);
        x.Grad!.ToArray<float>().Should().Equal(10, 12);
    }

    [Fact]
    public void A_second_pass_needs_the_graph_to_be_retained()
    {
        var x = Leaf(2);
        var y = Functional.Square(x);
        y.Backward(retainGraph: true);
        y.Backward();
        x.Grad!.Item().Should().Be(8);
        y.Invoking(result => result.Backward()).Should().Throw<TensorException>().WithMessage("*freed*retainGraph*");
    }

    [Fact]
    public void A_pass_over_a_graph_that_is_partly_freed_is_refused()
    {
        var x = Leaf(2);
        var shared = Functional.Square(x);
        var (one, other) = (Functional.Exp(shared), Functional.Affine(shared, 2));
        one.Backward();
        other.Invoking(result => result.Backward()).Should().Throw<TensorException>().WithMessage("*freed*");
    }

    [Fact]
    public void Nothing_is_recorded_under_no_grad_and_again_under_enable_grad()
    {
        var x = Leaf(2);
        using (GradMode.NoGrad())
        {
            Functional.Square(x).RequiresGrad.Should().BeFalse();
            using (GradMode.EnableGrad())
                Functional.Square(x).RequiresGrad.Should().BeTrue();
            GradMode.Enabled.Should().BeFalse();
        }

        GradMode.Enabled.Should().BeTrue();
    }

    [Fact]
    public void Detach_cuts_the_tape()
    {
        var x = Leaf(2);
        var square = Functional.Square(x);
        Functional.Multiply(square.Detach(), x).Backward();
        x.Grad!.Item().Should().Be(4);
        square.Detach().Invoking(result => result.Backward()).Should().Throw<TensorException>().WithMessage("*not recorded*");
    }

    [Fact]
    public void Backward_says_what_is_wrong()
    {
        var x = Leaf(1, 2);
        var y = Functional.Square(x);
        y.Invoking(result => result.Backward()).Should().Throw<TensorException>().WithMessage("*gradient has to be given*[2]*");
        y.Invoking(result => result.Backward(Tensor.Zeros([3], backend: _backend))).Should().Throw<TensorException>().WithMessage("*expected [2], found [3]*");
        y.Invoking(result => result.Backward(Tensor.Zeros([2], DType.Float16, _backend))).Should().Throw<TensorException>().WithMessage("*float32*float16*");
        y.Invoking(result => result.Backward(Tensor.Zeros([2], backend: new ReferenceBackend()))).Should().Throw<TensorException>().WithMessage("*different backends*");
        y.Invoking(result => result.RequiresGrad = false).Should().Throw<TensorException>().WithMessage("*Detach*");
        FluentActions.Invoking(() => Tensor.From([1L], [1], _backend).RequiresGrad = true).Should().Throw<TensorException>().WithMessage("*Int64*");
    }

    [Fact]
    public void A_backward_that_gives_a_gradient_of_the_wrong_shape_or_type_is_named()
    {
        var x = Leaf(1, 2);
        foreach (var wrong in new[] { Tensor.Zeros([3], backend: _backend), Tensor.Zeros([2], DType.Float16, _backend) })
        {
            var y = new Giving(x, wrong).Attach(_backend.Copy(x));
            Functional.Sum(y).Invoking(sum => sum.Backward()).Should().Throw<TensorException>().WithMessage("Giving*input 0*");
        }
    }

    [Fact]
    public void An_error_inside_a_backward_frees_what_was_pending()
    {
        var x = Leaf(1, 2);
        Fail();
        var loaned = _backend.Memory.LoanedBuffers;
        Fail();
        _backend.Memory.LoanedBuffers.Should().BeLessThanOrEqualTo(loaned);

        void Fail()
        {
            using var scope = new TensorScope();
            var y = new Giving(x, Tensor.Zeros([3], backend: _backend)).Attach(_backend.Copy(x));
            Functional.Sum(Functional.Add(y, y)).Invoking(sum => sum.Backward()).Should().Throw<TensorException>();
        }
    }

    [Fact]
    public void What_a_scope_freed_is_still_on_the_tape()
    {
        var x = Leaf(0.5f, 2);
        Tensor loss;
        using (var scope = new TensorScope())
            loss = scope.Keep(Functional.Sum(Functional.Square(Functional.Exp(x))));
        loss.Backward();
        x.Grad!.ToArray<float>().Should().Equal([2 * MathF.Exp(1), 2 * MathF.Exp(4)], (found, expected) => Math.Abs(found - expected) < 1e-4f * expected);
    }

    [Fact]
    public void Gradients_outlive_the_scope_that_backward_ran_in()
    {
        var (x, w) = (Leaf(1, 2), Leaf(3, 4));
        using (new TensorScope())
            Functional.Sum(Functional.Add(Functional.Multiply(x, w), x)).Backward();
        x.Grad!.ToArray<float>().Should().Equal(4, 5);
        w.Grad!.ToArray<float>().Should().Equal(1, 2);
    }

    [Fact]
    public void A_half_precision_leaf_gets_a_float32_gradient()
    {
        foreach (var dtype in new[] { DType.Float16, DType.BFloat16 })
        {
            var x = Tensor.Full([2, 2], 0.5, dtype, _backend);
            x.RequiresGrad = true;
            var wide = Functional.Cast(x, DType.Float32);
            Functional.Sum(Functional.Square(wide)).Backward();
            x.Grad!.DType.Should().Be(DType.Float32);
            x.Grad!.ToArray<float>().Should().AllSatisfy(gradient => gradient.Should().Be(1));
        }
    }

    [Fact]
    public void Half_precision_weights_get_the_gradients_of_their_float32_values()
    {
        var generator = new TorchGenerator(4);
        var (x, table, norm, ids) = (Normal([3, 4]), Normal([4, 4]), Normal([4]), Tensor.From([0L, 3, 3], [3], _backend));
        var half = Gradients(DType.BFloat16);
        var full = Gradients(DType.Float32);
        for (var i = 0; i < half.Length; i++)
            half[i].Zip(full[i], (h, f) => Math.Abs(h - f)).Max().Should().BeLessThan(1e-6f);

        Tensor Normal(Shape shape)
        {
            var values = new float[shape.ElementCount];
            generator.Normal(values);
            return Functional.Cast(Functional.Cast(Tensor.From(values, shape, _backend), DType.BFloat16), DType.Float32);
        }

        float[][] Gradients(DType dtype)
        {
            var (weight, scale) = (_backend.Cast(table, dtype), _backend.Cast(norm, dtype));
            weight.RequiresGrad = scale.RequiresGrad = true;
            var hidden = Functional.Add(Functional.Linear(x, new DenseWeight(weight), scale), Functional.Embedding(ids, weight));
            Functional.Sum(Functional.Square(Functional.RmsNorm(Functional.LayerNorm(hidden, scale, scale, 1e-3f), scale, 1e-3f))).Backward();
            return [weight.Grad!.ToArray<float>(), scale.Grad!.ToArray<float>()];
        }
    }

    [Fact]
    public void A_pass_may_run_inside_a_backward()
    {
        var (x, inner) = (Leaf(3), Leaf(5));
        var y = new Nested(x, inner).Attach(_backend.Copy(x));
        Functional.Square(y).Backward();
        x.Grad!.Item().Should().Be(6);
        inner.Grad!.Item().Should().Be(10);
    }

    [Fact]
    public void The_same_graph_gives_the_same_bits_every_time()
    {
        float[]? first = null;
        for (var run = 0; run < 5; run++)
        {
            var x = Leaf(Enumerable.Range(0, 32).Select(i => MathF.Sin(i)).ToArray());
            using var scope = new TensorScope();
            var parts = Enumerable.Range(1, 9).Select(i => Functional.Tanh(Functional.Affine(x, 0.3f * i)));
            Functional.Sum(parts.Aggregate((a, b) => Functional.Multiply(Functional.Add(a, b), b))).Backward();
            var gradient = x.Grad!.ToArray<float>();
            (first ??= gradient).Should().Equal(gradient);
        }
    }

    private Tensor Leaf(params float[] values)
    {
        var leaf = Tensor.From(values, values.Length == 1 ? Shape.Scalar : [values.Length], _backend);
        leaf.RequiresGrad = true;
        return leaf;
    }

    private sealed class Counting(Tensor x) : GradFunction(x)
    {
        public int Calls { get; private set; }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            Calls++;
            sink.Add(0, gradOutputs[0]!);
        }
    }

    private sealed class TwoOutputs(Tensor x) : GradFunction(x)
    {
        public bool[] Given { get; private set; } = [];

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            Given = [gradOutputs[0] is not null, gradOutputs[1] is not null];
            sink.Add(0, gradOutputs[1]!);
        }
    }

    private sealed class Giving(Tensor x, Tensor gradient) : GradFunction(x)
    {
        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, gradient);
    }

    private sealed class Nested(Tensor x, Tensor inner) : GradFunction(x)
    {
        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            using (GradMode.EnableGrad())
                Functional.Square(inner).Backward();
            sink.Add(0, gradOutputs[0]!);
        }
    }
}
