namespace ChatGLM.Tensors;

/// <summary>How a dense matrix becomes a <see cref="GroupQuantizedWeight"/>.</summary>
/// <param name="Bits">8 or 4.</param>
/// <param name="GroupSize">How many columns of a row share a scale: 32, 64 or 128.</param>
/// <param name="HasMinimum">For 4 bits: whether a group has a smallest value beside its scale, so that its 16 steps lie where its numbers are; without one they lie around zero.</param>
public readonly record struct GroupQuantization(int Bits, int GroupSize, bool HasMinimum = false)
{
    /// <summary>Refuses what the format does not have.</summary>
    /// <exception cref="TensorException">Bits, group size or minimum do not fit.</exception>
    public void Validate()
    {
        if (Bits is not (8 or 4))
            throw new TensorException(nameof(GroupQuantization), $"bits: expected 8 or 4, found {Bits}.");
        if (GroupSize is not (32 or 64 or 128))
            throw new TensorException(nameof(GroupQuantization), $"group size: expected 32, 64 or 128, found {GroupSize}.");
        if (HasMinimum && Bits != 4)
            throw new TensorException(nameof(GroupQuantization), "only 4 bits have a minimum: with 8 it would buy nothing.");
    }
}
