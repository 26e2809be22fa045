using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What a forward pass gives. Disposing it is never needed; it gives the memory back a little earlier than the garbage collector would.</summary>
public sealed class ModelOutput : IDisposable
{
    private readonly Tensor? _logits;

    internal ModelOutput(Tensor? logits, Tensor? loss, IReadOnlyList<Tensor> hiddenStates, KeyValueCache? pastKeyValues)
    {
        _logits = logits;
        Loss = loss;
        HiddenStates = hiddenStates;
        PastKeyValues = pastKeyValues;
    }

    /// <summary>Scores, float32 [batch, seq, vocabulary], or [batch, 1, vocabulary] for the last position only; [batch, labels] of a classifier. Virtual tokens
    /// (<see cref="EmbeddingPrompt"/>) are scored too, before the others.</summary>
    /// <exception cref="ModelInputException">The pass was asked for the loss only.</exception>
    public Tensor Logits => _logits ?? throw new ModelInputException(nameof(ModelInputs.LossOnly), "this pass computed the loss only; leave LossOnly out to have the scores too.");

    /// <summary>The mean loss over the labels that count, a single number; null when no labels were given.</summary>
    public Tensor? Loss { get; }

    /// <summary>The input of every layer and the output of the last, [batch, seq, hidden] each; of ChatGLM-6B the last one is after the final normalisation, of ChatGLM2 and 3
    /// before it. Empty unless asked for.</summary>
    public IReadOnlyList<Tensor> HiddenStates { get; }

    /// <summary>Keys and values of all tokens so far; null unless asked for.</summary>
    public KeyValueCache? PastKeyValues { get; }

    /// <summary>The same scores with another loss, such as one to which something was added.</summary>
    /// <param name="loss">A single number.</param>
    public ModelOutput WithLoss(Tensor loss) => new(_logits, loss, HiddenStates, PastKeyValues) { VirtualTokens = VirtualTokens };

    /// <summary>How many of the scored positions, at the front of each row, are virtual tokens and none of the ids; labels are without them.</summary>
    public int VirtualTokens { get; internal init; }

    /// <summary>Gives logits, loss and hidden states back. The cache is left alone: the next pass uses it.</summary>
    public void Dispose()
    {
        _logits?.Dispose();
        Loss?.Dispose();
        foreach (var hidden in HiddenStates)
            hidden.Dispose();
    }
}
