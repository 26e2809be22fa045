using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>The ChatGLM-6B transformer (Du et al. 2022, GLM): a bidirectional context up to <c>&lt;sop&gt;</c>, then an answer that sees what is before it.</summary>
internal sealed class ChatGLMModel : Transformer
{
    /// <summary>Positions are not limited by the reference; this bounds the table.</summary>
    private const int PositionLimit = 1 << 20;

    private readonly ChatGLM6BConfig _config;
    private readonly ModuleSlot<Embedding> _wordEmbeddings;
    private readonly ModuleSlot<ModuleList<Block>> _layers;
    private readonly ModuleSlot<LayerNorm> _finalLayernorm;
    private readonly RotaryPositions _rotary;

    public ChatGLMModel(WeightScope scope, ChatGLM6BConfig config, TorchGenerator generator)
        : base(config, scope.Backend, generator)
    {
        _config = config;
        _wordEmbeddings = Child("word_embeddings", CreateEmbedding(scope["word_embeddings"], config));
        _layers = Child("layers", new ModuleList<Block>(config.NumLayers, scope["layers"], (index, place) => new Block(place, config, index)));
        _finalLayernorm = Child("final_layernorm", new LayerNorm(scope["final_layernorm"], config.HiddenSize, (float)config.LayernormEpsilon));
        if (config.PreSeqLen is not null)
        {
            RequiresGrad(false);
            SetPrefix(new PrefixEncoder(scope["prefix_encoder"], config, PrefixEmbeddingWidth, generator));
        }

        Masks = new ContextMasks(config);
        _rotary = new RotaryPositions(InverseFrequencies(config), RotaryStyle.HalfSplit, Sections, PositionLimit, 1, scope.Backend);
    }

    /// <summary>The word embeddings as the weight of an output layer that is tied to them.</summary>
    public LinearWeight WordEmbeddings => _wordEmbeddings.Value is QuantizedEmbedding quantized ? quantized.Table : new DenseWeight(_wordEmbeddings.Value.Weight);

    public ContextMasks Masks { get; }

    public override int Sections => _config.PositionEncoding2D ? 2 : 1;

    public override int PrefixEmbeddingWidth => _config.HiddenSize;

    protected override bool ReportsNormalizedState => true;

    public override TokenPassSizes Sizes => new(
        _config.HiddenSize, _layers.Value[0].Layout, _config.InnerHiddenSize, _config.InnerHiddenSize, _config.VocabSize, Sections);

    public override RotaryTable Covering(long positions) => _rotary.Covering(positions);

    protected override void Embed(TokenPass pass) => pass.Embed(_wordEmbeddings.Value);

    protected override void RunLayer(int layer, TokenPass pass) => _layers.Value[layer].Forward(pass);

    protected override Tensor Normalize(TokenPass pass)
    {
        pass.Run(_finalLayernorm.Value, pass.Hidden, pass.Normed);
        return pass.Normed;
    }

    protected override Tensor Embed(Tensor ids) => _wordEmbeddings.Value.Forward(ids);

    protected override Tensor RunLayer(int layer, Tensor hidden, LayerContext context) => _layers.Value[layer].Forward(hidden, context);

    protected override Tensor Normalize(Tensor hidden) => _finalLayernorm.Value.Forward(hidden);

    protected override ModelInputs CountVirtualTokens(ModelInputs inputs, TokenBatch tokens, int pastTokens, int front, int total)
    {
        if (inputs.PositionIds is { } positions)
        {
            CheckPositions(positions, tokens, Sections);
            var after = ContextMasks.AfterVirtualTokens(positions.ToArray<long>(), tokens, Sections, front, total);
            inputs = inputs with { PositionIds = Tensor.From(after, Sections == 1 ? [tokens.Batch, front + tokens.Seq] : [tokens.Batch, Sections, front + tokens.Seq], Backend) };
        }

        if (inputs.AttentionMask is not { } mask)
            return inputs;
        var keys = pastTokens + tokens.Seq;
        RequireMaskable(tokens.Batch, front + tokens.Seq, total + keys);
        var hidden = ContextMasks.BehindPrefix(ContextMasks.Check(mask, tokens, keys), keys, total);
        if (front > 0)
            hidden = Masks.WithVirtualQueries(hidden, tokens, front);
        return inputs with { AttentionMask = Tensor.From(hidden, [tokens.Batch, front + tokens.Seq, total + keys], Backend) };
    }

    protected override (RotaryTable Rotary, Tensor Positions, Tensor? Hidden, bool Causal) Derive(ModelInputs inputs, TokenBatch tokens, int pastTokens, int prefixLength)
    {
        RequireMaskable(tokens.Batch, tokens.Seq, prefixLength + pastTokens + tokens.Seq);
        if (inputs.PositionIds is null && pastTokens > 0)
            throw new ModelInputException(nameof(ModelInputs.PositionIds), "with a cache the positions cannot be derived from the new ids alone; give them.");
        var positions = inputs.PositionIds ?? Tensor.From(Masks.Positions(tokens), Sections == 1 ? [tokens.Batch, tokens.Seq] : [tokens.Batch, Sections, tokens.Seq], Backend);
        var table = _rotary.Covering(CheckPositions(positions, tokens, Sections));
        var hidden = inputs.AttentionMask is { } given
            ? ContextMasks.Check(given, tokens, pastTokens + tokens.Seq)
            : pastTokens > 0 ? null : Masks.Hidden(tokens);
        return (table, positions, hidden is null ? null : Tensor.From(ContextMasks.BehindPrefix(hidden, pastTokens + tokens.Seq, prefixLength), [tokens.Batch, tokens.Seq, prefixLength + pastTokens + tokens.Seq], Backend), false);
    }

    protected override void OnMoved(Backend backend)
    {
        base.OnMoved(backend);
        _rotary.MoveTo(backend);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _rotary.Dispose();
    }

    private static Embedding CreateEmbedding(WeightScope scope, ChatGLM6BConfig config)
    {
        if (!config.QuantizationEmbeddings || config.QuantizationBit == 0)
            return new Embedding(scope, config.VocabSize, config.HiddenSize);
        return scope.GetLinear(config.VocabSize, config.HiddenSize, (generator, values) => generator.Normal(values)) switch
        {
            RowQuantizedWeight quantized => new QuantizedEmbedding(quantized),
            // A file that lacks the table: the load fails with the full list of what is missing.
            DenseWeight dense => new Embedding(dense.Tensor),
            var other => throw new NotSupportedException(other.GetType().Name),
        };
    }

    private static float[] InverseFrequencies(ChatGLM6BConfig config)
    {
        var dim = config.PositionEncoding2D ? config.HeadDim / 2 : config.HeadDim;
        var frequencies = new float[dim / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            // The reference keeps them in half precision, whatever the model computes in; a checkpoint's own copy is ignored.
            var frequency = 1f / (float)Math.Pow(10000, 2f * i / dim);
            frequencies[i] = (float)(Half)frequency;
        }

        return frequencies;
    }
}
