namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>The same numbers under another shape, without copying.</summary>
    public static Tensor Reshape(Tensor x, in Shape shape)
    {
        if (shape.ElementCount != x.ElementCount)
            throw new TensorException(nameof(Reshape), $"{x.Shape} has {x.ElementCount} elements, {shape} has {shape.ElementCount}.");
        var y = x.View(shape, 0);
        return GradFunction.Records(x) ? new ReshapeFunction(x).Attach(y) : y;
    }

    private sealed class ReshapeFunction(Tensor x) : GradFunction(x)
    {
        private readonly Shape _shape = x.Shape;

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, gradOutputs[0]!.View(_shape, 0));
    }
}
