using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>The network of P-tuning that makes embeddings from a table while they are trained (<c>peft.PromptEncoder</c>).</summary>
internal sealed class PromptEncoder : EmbeddingPrompt, IPromptEncoder
{
    private readonly ModuleSlot<Embedding> _embedding;
    private readonly ModuleSlot<Lstm>? _lstmHead;
    private readonly ModuleSlot<Perceptron> _mlpHead;

    /// <param name="scope">Where the parameters come from.</param>
    /// <param name="config">A completed configuration.</param>
    /// <param name="generator">What dropout draws from.</param>
    public PromptEncoder(WeightScope scope, PromptEncoderConfig config, TorchGenerator generator)
        : base(config.NumVirtualTokens)
    {
        var (width, hidden) = (config.TokenDim!.Value, config.EncoderHiddenSize!.Value);
        _embedding = Child("embedding", new Embedding(scope["embedding"], Length, width));
        if (config.EncoderReparameterizationType == PromptEncoderReparameterizationType.Lstm)
        {
            _lstmHead = Child("lstm_head", new Lstm(scope["lstm_head"], width, hidden, config.EncoderNumLayers, (float)config.EncoderDropout, generator));
            _mlpHead = Child("mlp_head", new Perceptron(scope["mlp_head"], [2 * hidden, 2 * hidden, width], Functional.Relu));
        }
        else
        {
            _mlpHead = Child("mlp_head", new Perceptron(scope["mlp_head"], [width, hidden, hidden, width], Functional.Relu));
        }
    }

    public Tensor? Stored => null;

    /// <inheritdoc/>
    public override Tensor Forward(int batch) => Forward(batch, Training);

    public Tensor Compute()
    {
        // What peft saves while it trains has dropout in it; this has not.
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var rows = Forward(1, dropsOut: false);
        return scope.Keep(rows.Reshape(rows.Shape[1], rows.Shape[2]));
    }

    private Tensor Forward(int batch, bool dropsOut)
    {
        var table = _embedding.Value.Weight;
        var rows = table.Reshape(1, Length, table.Shape[1]);
        if (_lstmHead is null)
            return _mlpHead.Value.Forward(rows);
        var lstm = _lstmHead.Value;
        // Rows differ by what they drop out; without, one is enough for all.
        if (dropsOut && lstm.HasDropout && batch > 1)
            rows = Functional.Concat(Enumerable.Repeat(rows, batch).ToArray(), 0);
        return _mlpHead.Value.Forward(lstm.Forward(rows, dropsOut));
    }
}
