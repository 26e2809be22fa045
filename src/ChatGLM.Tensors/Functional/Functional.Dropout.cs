using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Zeroes each element with a probability and divides the others by what is left, while training (<c>torch.nn.functional.dropout</c>).</summary>
    /// <param name="x">float32, of any shape.</param>
    /// <param name="probability">The probability of zeroing, 0 to 1.</param>
    /// <param name="generator">Where the random numbers come from, in the order in which PyTorch's CPU generator draws them.</param>
    /// <param name="training">Whether anything is dropped at all.</param>
    /// <returns>A tensor of x's shape; x itself if nothing is dropped.</returns>
    public static Tensor Dropout(Tensor x, float probability, TorchGenerator generator, bool training)
    {
        Require.Float32(nameof(Dropout), "x", x);
        RequireProbability(nameof(Dropout), probability);
        if (!training || probability == 0 || x.ElementCount == 0)
            return x;
        var mask = DropoutMask(x.Shape, probability, generator, x.Backend);
        var y = x.Backend.Multiply(x, mask);
        if (GradFunction.Records(x))
            new DropoutFunction(x, mask).Attach(y);
        mask.Dispose();
        return y;
    }

    /// <summary>The factors of a dropout: 0 with a probability, else 1 / (1 - probability). What <see cref="AttentionOptions.DropoutMask"/> takes.</summary>
    /// <param name="shape">The shape of what is dropped from.</param>
    /// <param name="probability">The probability of a zero, 0 to 1.</param>
    /// <param name="generator">Where the random numbers come from.</param>
    /// <param name="backend">Where the tensor goes; the default backend if null.</param>
    public static Tensor DropoutMask(in Shape shape, float probability, TorchGenerator generator, Backend? backend = null)
    {
        RequireProbability(nameof(DropoutMask), probability);
        var mask = Tensor.Empty(shape, DType.Float32, backend);
        if (mask.Storage is HostStorage)
        {
            generator.DropoutMask(mask.AsSpan<float>(), probability);
        }
        else
        {
            var values = new float[mask.ElementCount];
            generator.DropoutMask(values, probability);
            mask.Backend.Write(mask, 0, MemoryMarshal.AsBytes(values.AsSpan()));
        }

        return mask;
    }

    private static void RequireProbability(string operation, float probability)
    {
        if (probability is not (>= 0 and <= 1))
            throw new TensorException(operation, $"probability: expected 0 to 1, found {probability}.");
    }

    private sealed class DropoutFunction : GradFunction
    {
        private readonly Tensor _mask;

        public DropoutFunction(Tensor x, Tensor mask)
            : base(x) => _mask = Save(mask);

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, _mask.Backend.Multiply(gradOutputs[0]!, _mask));
    }
}
