namespace ChatGLM.Tensors;

/// <summary>Takes the gradients that one operation's backward computes for its inputs.</summary>
public readonly ref struct GradSink
{
    private readonly BackwardPass _pass;
    private readonly GradFunction _function;

    internal GradSink(BackwardPass pass, GradFunction function)
    {
        _pass = pass;
        _function = function;
    }

    /// <summary>The pass that this gradient belongs to.</summary>
    internal BackwardPass Pass => _pass;

    /// <summary>Adds a gradient of an input; ignored for an input that needs none. The tensor may live on as somebody's gradient: do not write to it afterwards.</summary>
    /// <param name="input">The input's position.</param>
    /// <param name="gradient">A float32 tensor of the input's shape.</param>
    public void Add(int input, Tensor gradient)
    {
        ref readonly var edge = ref _function.Edges[input];
        if (!edge.IsUsed)
            return;
        if (gradient.Shape != edge.Shape)
            throw new TensorException(_function.GetType().Name, $"the gradient of input {input} has shape {gradient.Shape}, the input {edge.Shape}.");
        if (gradient.DType != DType.Float32)
            throw new TensorException(_function.GetType().Name, $"the gradient of input {input} has to be float32, found {gradient.DType}.");
        if (edge.Leaf is { } leaf)
            leaf.AccumulateGrad(gradient);
        else
            _pass.Add(edge.Function!, edge.Output, gradient);
    }

    /// <summary>A float32 buffer of the input's shape for a kernel to add the gradient to: a leaf's own <see cref="Tensor.Grad"/> where the input is one, so that
    /// the gradient of a large weight is never held twice.</summary>
    /// <param name="input">The position of an input that needs a gradient.</param>
    public Tensor Accumulator(int input)
    {
        ref readonly var edge = ref _function.Edges[input];
        return edge.Leaf is { } leaf ? leaf.GradAccumulator() : _pass.Accumulator(edge.Function!, edge.Output, edge.Shape, edge.Backend!);
    }
}
