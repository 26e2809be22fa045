using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// P-Tuning v2 (Liu et al. 2021): learned keys and values that stand before the first token of every layer. Without projection they are the rows of a table; with it, a two-layer
/// network makes them from one.
/// </summary>
internal sealed class PrefixEncoder : Module
{
    /// <summary>The dropout of the prefix in training: both architectures hold it at a tenth.</summary>
    private const float DropoutProbability = 0.1f;

    private readonly ModuleSlot<Embedding> _embedding;
    private readonly ModuleSlot<Projection>? _trans;
    private readonly ChatGLMConfig _config;
    private readonly TorchGenerator _generator;
    private readonly Tensor _tokens;

    /// <param name="scope">The place <c>transformer.prefix_encoder</c>.</param>
    /// <param name="config">The model's configuration; its <c>PreSeqLen</c> is set.</param>
    /// <param name="embeddingWidth">The width of the table with projection: the hidden size in ChatGLM-6B, the key-value size in ChatGLM2.</param>
    /// <param name="generator">What dropout draws from.</param>
    public PrefixEncoder(WeightScope scope, ChatGLMConfig config, int embeddingWidth, TorchGenerator generator)
    {
        _config = config;
        _generator = generator;
        var length = config.PreSeqLen!.Value;
        var width = 2 * config.NumLayers * config.KeyValueHeads * config.HeadDim;
        _embedding = Child("embedding", new Embedding(scope["embedding"], length, config.PrefixProjection ? embeddingWidth : width));
        if (config.PrefixProjection)
            _trans = Child("trans", new Projection(scope["trans"], embeddingWidth, config.HiddenSize, width));
        using var unscoped = TensorScope.Suspend();
        _tokens = Tensor.From(Enumerable.Range(0, length).Select(i => (long)i).ToArray(), [1, length], scope.Backend);
    }

    /// <summary>The key and value of every layer, [batch, keyValueHeads, length, headDim].</summary>
    public (Tensor Key, Tensor Value)[] Forward(int batch)
    {
        var rows = _embedding.Value.Forward(_tokens);
        if (_trans is not null)
            rows = _trans.Value.Forward(rows);
        if (batch > 1)
            rows = Functional.Concat(Enumerable.Repeat(rows, batch).ToArray(), 0);
        var (layers, heads, dim, length) = (_config.NumLayers, _config.KeyValueHeads, _config.HeadDim, _config.PreSeqLen!.Value);
        rows = Functional.Dropout(rows, DropoutProbability, _generator, Training);
        // Entry 2l of the third axis is the key of layer l, entry 2l + 1 its value.
        var byEntry = Functional.Permute(rows.Reshape(batch, length, 2 * layers, heads, dim), [2, 0, 3, 1, 4]);
        var pairs = new (Tensor Key, Tensor Value)[layers];
        for (var layer = 0; layer < layers; layer++)
            pairs[layer] = (Entry(byEntry, 2 * layer), Entry(byEntry, (2 * layer) + 1));
        return pairs;
    }

    protected override void OnMoved(Backend backend) => _tokens.MoveTo(backend);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _tokens.Dispose();
    }

    private static Tensor Entry(Tensor byEntry, int index)
    {
        var shape = byEntry.Shape;
        return Functional.Slice(byEntry, 0, index, 1).Reshape(shape[1], shape[2], shape[3], shape[4]);
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
