using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What a forward pass takes. Everything but the ids is optional: the model derives what is left out as its Python original does.</summary>
public sealed record ModelInputs
{
    /// <summary>Creates inputs from ids.</summary>
    public ModelInputs()
    {
    }

    /// <summary>Token ids, int64 [batch, seq].</summary>
    public required Tensor InputIds { get; init; }

    /// <summary>
    /// ChatGLM-6B: bool [batch, 1, seq, past + seq], true where a key is hidden. ChatGLM2 and 3: int64 or bool [batch, past + seq], 1 where a token is real. A soft prompt is
    /// not part of it.
    /// </summary>
    public Tensor? AttentionMask { get; init; }

    /// <summary>int64 [batch, seq], or [batch, 2, seq] for ChatGLM-6B's two-dimensional positions; without virtual tokens, which count from 0 and move these on.</summary>
    public Tensor? PositionIds { get; init; }

    /// <summary>int64 [batch, seq]: the model shifts them itself, -100 is ignored. For a classifier: int64 [batch], or float32 as its problem type asks.</summary>
    public Tensor? Labels { get; init; }

    /// <summary>The keys and values of the tokens before these. The pass appends to it.</summary>
    public KeyValueCache? PastKeyValues { get; init; }

    /// <summary>Embedded tokens float32 [batch, seq, hidden] to use instead of looking the ids up; the ids still give masks and positions.</summary>
    public Tensor? InputsEmbeds { get; init; }

    /// <summary>Whether to return the hidden states before every layer and after the last.</summary>
    public bool OutputHiddenStates { get; init; }

    /// <summary>Whether to return keys and values; null for yes when <see cref="PastKeyValues"/> is given.</summary>
    public bool? UseCache { get; init; }

    /// <summary>Computes the scores of the last position only, as generation needs them.</summary>
    public bool LastLogitsOnly { get; init; }

    /// <summary>Computes the loss and returns no scores, as training needs it: then the scores of the vocabulary are held for a few rows at a time, and only where a label counts
    /// (<see cref="Functional.LinearCrossEntropy"/>). A classifier, whose scores are few, returns them all the same.</summary>
    public bool LossOnly { get; init; }

    /// <summary>Looked at before every layer.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>The same inputs on the backend of a model: what was made elsewhere, on the default backend say, is copied.</summary>
    internal ModelInputs On(Backend backend)
    {
        return Lies(InputIds) && Lies(AttentionMask) && Lies(PositionIds) && Lies(Labels) && Lies(InputsEmbeds)
            ? this
            : this with { InputIds = Moved(InputIds)!, AttentionMask = Moved(AttentionMask), PositionIds = Moved(PositionIds), Labels = Moved(Labels), InputsEmbeds = Moved(InputsEmbeds) };

        bool Lies(Tensor? tensor) => tensor is null || ReferenceEquals(tensor.Backend, backend);
        Tensor? Moved(Tensor? tensor) => Lies(tensor) ? tensor : tensor!.On(backend);
    }
}
