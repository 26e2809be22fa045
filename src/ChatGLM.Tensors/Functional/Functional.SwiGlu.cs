namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>silu(first half) * second half of the innermost axis (Shazeer 2020).</summary>
    /// <param name="x">float32 [..., 2 * width].</param>
    /// <returns>float32 [..., width].</returns>
    public static Tensor SwiGlu(Tensor x)
    {
        Require.Float32(nameof(SwiGlu), "x", x);
        if (x.Shape.Rank == 0 || x.Shape[^1] % 2 != 0)
            throw new TensorException(nameof(SwiGlu), $"x: expected [..., 2 * width], found {x.Shape}.");
        var y = x.Backend.SwiGlu(x);
        return GradFunction.Records(x) ? new SwiGluFunction(x).Attach(y) : y;
    }

    private sealed class SwiGluFunction : GradFunction
    {
        private readonly Tensor _x;

        public SwiGluFunction(Tensor x)
            : base(x) => _x = Save(x);

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, _x.Backend.SwiGluBackward(gradOutputs[0]!, _x));
    }
}
