namespace ChatGLM.Tensors;

/// <summary>
/// One recorded operation of the tape (<c>torch.autograd.Function</c>): knows where its inputs came from, keeps what its backward needs, and turns the
/// gradient of its outputs into gradients of its inputs. Nothing is computed or kept for inputs that need no gradient.
/// </summary>
public abstract class GradFunction
{
    private static long s_lastSequence;

    private readonly Edge[] _edges;
    private readonly List<Tensor> _saved = [];

    /// <summary>Records an operation on these inputs.</summary>
    /// <param name="inputs">The inputs in order; null for an optional one that was left out.</param>
    protected GradFunction(params ReadOnlySpan<Tensor?> inputs)
    {
        Sequence = Interlocked.Increment(ref s_lastSequence);
        _edges = new Edge[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
        {
            if (inputs[i] is { RequiresGrad: true } input)
                _edges[i] = new Edge(input.Function, input.FunctionOutput, input.Function is null ? input : null, input.Shape, input.Backend);
        }
    }

    /// <summary>Grows with every recorded operation: going backward by it is going backward in time.</summary>
    internal long Sequence { get; }

    internal int OutputCount { get; private set; }

    internal bool IsReleased { get; private set; }

    internal ReadOnlySpan<Edge> Edges => _edges;

    /// <summary>Whether an operation on these inputs has to be recorded: recording is on and one of them needs a gradient.</summary>
    public static bool Records(params ReadOnlySpan<Tensor?> inputs)
    {
        if (!GradMode.Enabled && !GradMode.IsWatching)
            return false;
        foreach (var input in inputs)
        {
            if (input is not { RequiresGrad: true })
                continue;
            if (GradMode.Enabled)
                return true;
            GradMode.Notice();
            return false;
        }

        return false;
    }

    /// <summary>Marks a tensor as the next output of this operation.</summary>
    /// <returns>The same tensor.</returns>
    public Tensor Attach(Tensor output)
    {
        output.Function = this;
        output.FunctionOutput = OutputCount++;
        return output;
    }

    /// <summary>Counts an output that has no gradient, such as integers, so that the positions of the others are the outputs' own.</summary>
    private protected void SkipOutput() => OutputCount++;

    /// <summary>Whether an input needs a gradient.</summary>
    protected bool NeedsGrad(int input) => _edges[input].IsUsed;

    /// <summary>Keeps a tensor for the backward pass; it is freed as soon as that has run.</summary>
    protected Tensor Save(Tensor tensor)
    {
        var saved = tensor.Alias();
        _saved.Add(saved);
        return saved;
    }

    /// <inheritdoc cref="Save(Tensor)"/>
    protected Tensor? SaveOptional(Tensor? tensor) => tensor is null ? null : Save(tensor);

    /// <summary>Computes the gradients of the inputs and gives them to the sink.</summary>
    /// <param name="gradOutputs">The gradient of each output; null for an output that no loss depends on.</param>
    /// <param name="sink">Takes the gradients of the inputs.</param>
    protected internal abstract void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink);

    internal void Release()
    {
        IsReleased = true;
        foreach (var saved in _saved)
            saved.Dispose();
        _saved.Clear();
        Array.Clear(_edges);
    }

    /// <summary>Where an input came from: another operation's output, or a leaf.</summary>
    internal readonly record struct Edge(GradFunction? Function, int Output, Tensor? Leaf, Shape Shape, Backend? Backend)
    {
        public bool IsUsed => Function is not null || Leaf is not null;
    }
}
