using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// P-Tuning v2 as ChatGLM builds it in: the keys and values are the rows of a table; with projection, a two-layer network makes them from one.
/// </summary>
internal sealed class PrefixEncoder : KeyValuePrompt
{
    /// <summary>The dropout of the prefix in training: both architectures hold it at a tenth.</summary>
    private const float DropoutProbability = 0.1f;

    private readonly ModuleSlot<Embedding> _embedding;
    private readonly ModuleSlot<Projection>? _trans;
    private readonly TorchGenerator _generator;
    private readonly Tensor _tokens;

    /// <param name="scope">The place <c>transformer.prefix_encoder</c>.</param>
    /// <param name="config">The model's configuration; its <c>PreSeqLen</c> is set.</param>
    /// <param name="embeddingWidth">The width of the table with projection: the hidden size in ChatGLM-6B, the key-value size in ChatGLM2.</param>
    /// <param name="generator">What dropout draws from.</param>
    public PrefixEncoder(WeightScope scope, ChatGLMConfig config, int embeddingWidth, TorchGenerator generator)
        : base(config.PreSeqLen!.Value)
    {
        _generator = generator;
        var width = 2 * config.NumLayers * config.KeyValueHeads * config.HeadDim;
        _embedding = Child("embedding", new Embedding(scope["embedding"], Length, config.PrefixProjection ? embeddingWidth : width));
        if (config.PrefixProjection)
            _trans = Child("trans", new Projection(scope["trans"], embeddingWidth, config.HiddenSize, width));
        using var unscoped = TensorScope.Suspend();
        _tokens = Tensor.From(Enumerable.Range(0, Length).Select(i => (long)i).ToArray(), [1, Length], scope.Backend);
    }

    /// <inheritdoc/>
    public override Tensor Forward(int batch)
    {
        var rows = _embedding.Value.Forward(_tokens);
        if (_trans is not null)
            rows = _trans.Value.Forward(rows);
        // Spread first: each row of the batch drops out on its own.
        if (batch > 1)
            rows = Functional.Concat(Enumerable.Repeat(rows, batch).ToArray(), 0);
        return Functional.Dropout(rows, DropoutProbability, _generator, Training);
    }

    protected override void OnMoved(Backend backend) => _tokens.MoveTo(backend);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _tokens.Dispose();
    }

    /// <summary><c>trans</c>: linear, tanh, linear, named by their index as torch.nn.Sequential does.</summary>
    private sealed class Projection : Module
    {
        private readonly ModuleSlot<Linear> _first;
        private readonly ModuleSlot<Linear> _second;

        public Projection(WeightScope scope, int inFeatures, int hidden, int outFeatures)
        {
            _first = Child("0", new Linear(scope["0"], inFeatures, hidden));
            _second = Child("2", new Linear(scope["2"], hidden, outFeatures));
        }

        public Tensor Forward(Tensor x) => _second.Value.Forward(Functional.Tanh(_first.Value.Forward(x)));
    }
}
