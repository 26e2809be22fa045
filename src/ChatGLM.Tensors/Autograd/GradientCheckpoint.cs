namespace ChatGLM.Tensors;

/// <summary>
/// Gradient checkpointing (Chen et al. 2016; <c>torch.utils.checkpoint</c>): a part of a model keeps only its inputs and is computed a second time in the backward
/// pass. Parameters inside it get their gradients whether or not an input needs one.
/// </summary>
public static class GradientCheckpoint
{
    /// <summary>Runs a part of a model with one input and one output.</summary>
    /// <param name="body">What is run, now and again in the backward pass; it must do the same both times.</param>
    /// <param name="input">Its input.</param>
    /// <param name="generator">Where the body draws random numbers from, if it does: the second run draws the same ones.</param>
    public static Tensor Run(Func<Tensor, Tensor> body, Tensor input, TorchGenerator? generator = null) =>
        Run(inputs => [body(inputs[0])], [input], generator)[0];

    /// <summary>Runs a part of a model with several inputs and outputs. Other recorded tensors that it uses must still be there in the backward pass: pass them as inputs.</summary>
    /// <inheritdoc cref="Run(Func{Tensor, Tensor}, Tensor, TorchGenerator?)"/>
    /// <param name="body">What is run, now and again in the backward pass; it must do the same both times.</param>
    /// <param name="inputs">Its inputs, kept until the backward pass.</param>
    /// <param name="generator">Where the body draws random numbers from, if it does: the second run draws the same ones.</param>
    public static Tensor[] Run(Func<Tensor[], Tensor[]> body, Tensor[] inputs, TorchGenerator? generator = null)
    {
        if (!GradMode.Enabled)
            return body(inputs);
        var state = generator?.GetState();
        using var scope = new TensorScope();
        Tensor[] outputs;
        bool needsGrad;
        using (var watch = GradMode.Watch())
        {
            outputs = body(inputs);
            needsGrad = watch.Noticed;
        }

        if (!needsGrad)
            return Array.ConvertAll(outputs, scope.Keep);
        var function = new CheckpointFunction(body, inputs, outputs, generator, state);
        return Array.ConvertAll(outputs, output =>
        {
            // What the body passed through, or took from elsewhere, has a place on the tape already: the result is a handle of its own.
            var own = scope.Keep(output.Scope == scope && output.Function is null && !output.RequiresGrad ? output : output.Detach());
            return own.DType.IsFloatingPoint() ? function.Attach(own) : function.Skip(own);
        });
    }

    private sealed class CheckpointFunction : GradFunction
    {
        private readonly Func<Tensor[], Tensor[]> _body;
        private readonly Tensor[] _inputs;
        private readonly Shape[] _outputShapes;
        private readonly TorchGenerator? _generator;
        private readonly byte[]? _state;

        public CheckpointFunction(Func<Tensor[], Tensor[]> body, Tensor[] inputs, Tensor[] outputs, TorchGenerator? generator, byte[]? state)
            : base(inputs!)
        {
            _body = body;
            _inputs = Array.ConvertAll(inputs, Save);
            _outputShapes = Array.ConvertAll(outputs, output => output.Shape);
            (_generator, _state) = (generator, state);
        }

        /// <summary>Counts an output that has no gradient.</summary>
        public Tensor Skip(Tensor output)
        {
            SkipOutput();
            return output;
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var leaves = new Tensor[_inputs.Length];
            for (var i = 0; i < leaves.Length; i++)
            {
                leaves[i] = _inputs[i].Detach();
                if (NeedsGrad(i))
                    leaves[i].RequiresGrad = true;
            }

            try
            {
                sink.Pass.RunNested(Recompute(leaves), gradOutputs, firstSequence: Sequence);
                for (var i = 0; i < leaves.Length; i++)
                {
                    if (leaves[i].Grad is { } gradient)
                        sink.Add(i, gradient);
                }
            }
            finally
            {
                foreach (var leaf in leaves)
                    leaf.ZeroGrad();
            }
        }

        private Tensor[] Recompute(Tensor[] leaves)
        {
            using var enabled = GradMode.EnableGrad();
            using var scope = new TensorScope();
            var now = _generator?.GetState();
            try
            {
                if (_generator is not null)
                    _generator.SetState(_state);
                var outputs = _body(leaves);
                if (!outputs.Select(output => output.Shape).SequenceEqual(_outputShapes))
                {
                    throw new TensorException(
                        nameof(GradientCheckpoint), $"the body gave {Describe(_outputShapes)} the first time and {Describe(outputs.Select(output => output.Shape))} in the backward pass; it has to do the same both times.");
                }

                return Array.ConvertAll(outputs, scope.Keep);
            }
            finally
            {
                if (_generator is not null)
                    _generator.SetState(now);
            }
        }

        private static string Describe(IEnumerable<Shape> shapes) => string.Join(", ", shapes);
    }
}
