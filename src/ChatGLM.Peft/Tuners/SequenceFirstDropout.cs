using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// Dropout whose random numbers are drawn in the order of the reference, where activations lie sequence first, [seq, batch, hidden]: here they lie batch first.
/// The same seed so drops the same elements as in Python.
/// </summary>
internal static class SequenceFirstDropout
{
    public static Tensor Apply(Tensor x, float probability, TorchGenerator generator, bool training)
    {
        if (!training || probability == 0 || x.Shape.Rank != 3 || x.Shape[0] == 1)
            return Functional.Dropout(x, probability, generator, training);
        var (batch, seq, width) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        using var drawn = Functional.DropoutMask([seq, batch, width], probability, generator, x.Backend);
        return Functional.Multiply(x, x.Backend.Permute(drawn, [1, 0, 2]));
    }
}
