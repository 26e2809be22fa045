namespace ChatGLM.Tensors;

/// <summary>The scaling and the mask of one attention.</summary>
/// <param name="Scale">The factor of the scores before the softmax, usually 1 / sqrt(headDim).</param>
/// <param name="KeyLength">How many keys count; the key tensor may be longer (a cache with room to grow).</param>
public readonly record struct AttentionOptions(float Scale, int KeyLength)
{
    /// <summary>Hides from query i every key after <c>KeyLength - seq + i</c>: causal, with the queries at the end of the keys.</summary>
    public bool Causal { get; init; }

    /// <summary>True or 1 where a key is hidden, bool [batch, seq or 1, KeyLength]; null for none. Together with <see cref="Causal"/>, either hides.</summary>
    public Tensor? Hidden { get; init; }

    /// <summary>The score of a hidden key: minus infinity (ChatGLM2, 3), or a finite number (ChatGLM-6B: -10000 times the layer's coefficient), with which a row whose keys are all
    /// hidden attends to all of them equally. With minus infinity such a row gives zeros.</summary>
    public float HiddenScore { get; init; } = float.NegativeInfinity;

    /// <summary>Dropout of the probabilities: 0 or 1 / keep probability, float32 [batch, heads, seq, KeyLength]; null for none.</summary>
    public Tensor? DropoutMask { get; init; }
}
