namespace ChatGLM.Tensors;

/// <summary>Walks the tape from results back to the parameters, latest operation first, and frees it on the way.</summary>
/// <remarks>An operation's backward may run a pass of its own over a tape that it records then (<see cref="GradientCheckpoint"/>). What that pass finds recorded before the
/// operation belongs to the enclosing pass, which has it still to come.</remarks>
internal sealed class BackwardPass
{
    private readonly PriorityQueue<GradFunction, long> _ready = new();
    private readonly Dictionary<GradFunction, Tensor?[]> _pending = [];
    private readonly BackwardPass? _enclosing;
    private readonly long _firstSequence;

    private BackwardPass(BackwardPass? enclosing = null, long firstSequence = 0)
    {
        _enclosing = enclosing;
        _firstSequence = firstSequence;
    }

    /// <summary>Runs a pass from one result.</summary>
    public static void Run(Tensor root, Tensor? seed, bool retainGraph)
    {
        if (root.Function is null)
            throw new TensorException(nameof(Tensor.Backward), "this tensor was not recorded: no parameter under it requires a gradient, or recording was off.");
        if (seed is null && root.ElementCount != 1)
            throw new TensorException(nameof(Tensor.Backward), $"a gradient has to be given for a result of shape {root.Shape}; only a single number has the gradient 1.");
        if (seed is not null)
        {
            Require.Float32(nameof(Tensor.Backward), "gradient", seed);
            Require.Shape(nameof(Tensor.Backward), "gradient", seed, root.Shape);
            Require.SameBackend(nameof(Tensor.Backward), root, seed);
        }

        using var scope = new TensorScope();
        new BackwardPass().Run([root], [seed ?? Tensor.Full(root.Shape, 1, DType.Float32, root.Backend)], retainGraph);
    }

    /// <summary>Runs a pass inside the backward of an operation, over what was recorded after it.</summary>
    /// <param name="roots">Recorded results; the others, which no gradient flows through, are passed over.</param>
    /// <param name="seeds">The gradient of each; null where no loss depends on it.</param>
    /// <param name="firstSequence">Operations recorded before this belong to the enclosing pass.</param>
    public void RunNested(ReadOnlySpan<Tensor> roots, ReadOnlySpan<Tensor?> seeds, long firstSequence) =>
        new BackwardPass(this, firstSequence).Run(roots, seeds, retainGraph: false);

    /// <summary>Adds to the gradient of one output of an operation.</summary>
    public void Add(GradFunction function, int output, Tensor gradient)
    {
        ref var pending = ref At(function, output);
        if (pending is null)
        {
            pending = gradient.Alias();
            return;
        }

        pending.Unshare();
        pending.Backend.AddInPlace(pending, gradient);
    }

    /// <summary>The buffer of one output's gradient, for a kernel to add to.</summary>
    public Tensor Accumulator(GradFunction function, int output, in Shape shape, Backend backend)
    {
        ref var pending = ref At(function, output);
        if (pending is null)
        {
            using (TensorScope.Suspend())
                pending = Tensor.Zeros(shape, DType.Float32, backend);
        }

        pending.Unshare();
        return pending;
    }

    private void Run(ReadOnlySpan<Tensor> roots, ReadOnlySpan<Tensor?> seeds, bool retainGraph)
    {
        using var noGrad = GradMode.NoGrad();
        try
        {
            for (var i = 0; i < roots.Length; i++)
            {
                if (seeds[i] is not { } seed)
                    continue;
                if (roots[i].Function is { } function)
                    Add(function, roots[i].FunctionOutput, seed);
                else if (roots[i].RequiresGrad)
                    roots[i].AccumulateGrad(seed);
            }

            Walk(retainGraph);
        }
        finally
        {
            // Only an error leaves anything here.
            foreach (var outputs in _pending.Values)
                Free(outputs);
        }
    }

    private ref Tensor? At(GradFunction function, int output)
    {
        if (function.Sequence < _firstSequence)
            return ref _enclosing!.At(function, output);
        if (!_pending.TryGetValue(function, out var outputs))
        {
            if (function.IsReleased)
                throw new TensorException(nameof(Tensor.Backward), "the tape was already freed by an earlier backward pass; pass retainGraph: true to the first one.");
            outputs = new Tensor?[function.OutputCount];
            _pending.Add(function, outputs);
            _ready.Enqueue(function, -function.Sequence);
        }

        return ref outputs[output];
    }

    private void Walk(bool retainGraph)
    {
        while (_ready.TryDequeue(out var function, out _))
        {
            _pending.Remove(function, out var gradients);
            try
            {
                using (new TensorScope())
                    function.Backward(gradients, new GradSink(this, function));
            }
            finally
            {
                Free(gradients!);
            }

            if (!retainGraph)
                function.Release();
        }
    }

    private static void Free(Tensor?[] gradients)
    {
        foreach (var gradient in gradients)
            gradient?.Dispose();
    }
}
