namespace ChatGLM.Tensors;

/// <summary>Walks the tape from a result back to the parameters, latest operation first, and frees it on the way.</summary>
internal sealed class BackwardPass
{
    private readonly PriorityQueue<GradFunction, long> _ready = new();
    private readonly Dictionary<GradFunction, Pending[]> _pending = [];

    public static void Run(Tensor root, Tensor? seed, bool retainGraph)
    {
        if (root.Function is not { } function)
            throw new TensorException(nameof(Tensor.Backward), "this tensor was not recorded: no parameter under it requires a gradient, or recording was off.");
        if (seed is null && root.ElementCount != 1)
            throw new TensorException(nameof(Tensor.Backward), $"a gradient has to be given for a result of shape {root.Shape}; only a single number has the gradient 1.");
        if (seed is not null && seed.Shape != root.Shape)
            throw new TensorException(nameof(Tensor.Backward), $"the gradient has shape {seed.Shape}, the result {root.Shape}.");
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var pass = new BackwardPass();
        pass.Add(function, root.FunctionOutput, seed ?? Tensor.Full(root.Shape, 1, DType.Float32, root.Backend));
        pass.Walk(retainGraph);
    }

    /// <summary>Adds to the gradient of one output of an operation.</summary>
    public void Add(GradFunction function, int output, Tensor gradient)
    {
        ref var pending = ref At(function, output);
        if (pending.Gradient is null)
        {
            pending = new Pending(gradient.Alias(), IsOwned: false);
            return;
        }

        if (!pending.IsOwned)
        {
            // The first gradient may be shared with another edge: a sum needs a buffer of its own.
            var first = pending.Gradient;
            using (TensorScope.Suspend())
                pending = new Pending(first.Backend.Copy(first), IsOwned: true);
            first.Dispose();
        }

        pending.Gradient!.Backend.AddInPlace(pending.Gradient, gradient);
    }

    /// <summary>The buffer of one output's gradient, for a kernel to add to.</summary>
    public Tensor Accumulator(GradFunction function, int output, in Shape shape, Backend backend)
    {
        ref var pending = ref At(function, output);
        if (pending.Gradient is null || !pending.IsOwned)
        {
            var first = pending.Gradient;
            using (TensorScope.Suspend())
                pending = new Pending(first is null ? Tensor.Zeros(shape, DType.Float32, backend) : backend.Copy(first), IsOwned: true);
            first?.Dispose();
        }

        return pending.Gradient!;
    }

    private ref Pending At(GradFunction function, int output)
    {
        if (!_pending.TryGetValue(function, out var outputs))
        {
            if (function.IsReleased)
                throw new TensorException(nameof(Tensor.Backward), "the tape was already freed by an earlier backward pass; pass retainGraph: true to the first one.");
            outputs = new Pending[function.OutputCount];
            _pending.Add(function, outputs);
            _ready.Enqueue(function, -function.Sequence);
        }

        return ref outputs[output];
    }

    private void Walk(bool retainGraph)
    {
        while (_ready.TryDequeue(out var function, out _))
        {
            _pending.Remove(function, out var outputs);
            var gradients = Array.ConvertAll(outputs!, p => p.Gradient);
            using (new TensorScope())
                function.Backward(gradients, new GradSink(this, function));
            foreach (var gradient in gradients)
                gradient?.Dispose();
            if (!retainGraph)
                function.Release();
        }
    }

    private readonly record struct Pending(Tensor? Gradient, bool IsOwned);
}
