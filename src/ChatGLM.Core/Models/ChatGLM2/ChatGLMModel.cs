using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>The ChatGLM2-6B and ChatGLM3-6B transformer: causal, with padding on the left.</summary>
internal sealed class ChatGLMModel : Transformer
{
    private readonly ChatGLM2Config _config;
    private readonly ModuleSlot<Embeddings> _embedding;
    private readonly ModuleSlot<Encoder> _encoder;
    private readonly ModuleSlot<Linear> _outputLayer;
    private readonly RotaryPositions _rotary;

    public ChatGLMModel(WeightScope scope, ChatGLM2Config config, TorchGenerator generator)
        : base(config, scope.Backend, generator)
    {
        _config = config;
        _embedding = Child("embedding", new Embeddings(scope["embedding"], config));
        _encoder = Child("encoder", new Encoder(scope["encoder"], config, generator));
        var isTied = config.TieWordEmbeddings && !scope["output_layer"].Contains("weight");
        _outputLayer = Child("output_layer", isTied
            ? new Linear(scope["output_layer"].GetTiedLinear(_embedding.Value.Table))
            : new Linear(scope["output_layer"], config.HiddenSize, config.PaddedVocabSize, bias: false));
        if (config.PreSeqLen is not null)
        {
            RequiresGrad(false);
            SetPrefix(new PrefixEncoder(scope["prefix_encoder"], config, PrefixEmbeddingWidth, generator));
        }

        _rotary = CreateRotary(config, scope.Backend);
    }

    public override int Sections => 1;

    public override int PrefixEmbeddingWidth => 2 * _config.NumLayers * _config.KeyValueHeads * _config.KvChannels;

    protected override bool ReportsNormalizedState => false;

    /// <summary>Gives the scores of the vocabulary, [..., hidden] to [..., vocabulary].</summary>
    public Linear OutputLayer => _outputLayer.Value;

    public override TokenPassSizes Sizes => new(
        _config.HiddenSize, _encoder.Value.Layers[0].Layout, 2 * _config.FfnHiddenSize, _config.FfnHiddenSize, _config.PaddedVocabSize, Sections);

    public override RotaryTable Covering(long positions) => _rotary.Covering(positions);

    protected override void Embed(TokenPass pass) => pass.Embed(_embedding.Value.WordEmbeddings);

    protected override void RunLayer(int layer, TokenPass pass) => _encoder.Value.Layers[layer].Forward(pass);

    protected override Tensor Normalize(TokenPass pass)
    {
        if (_encoder.Value.FinalLayernorm is not { } norm)
            return pass.Hidden;
        pass.Run(norm, pass.Hidden, pass.Normed);
        return pass.Normed;
    }

    protected override Tensor Embed(Tensor ids) => _embedding.Value.WordEmbeddings.Forward(ids);

    protected override Tensor RunLayer(int layer, Tensor hidden, LayerContext context) => _encoder.Value.Layers[layer].Forward(hidden, context);

    protected override Tensor Normalize(Tensor hidden) => _encoder.Value.FinalLayernorm?.Forward(hidden) ?? hidden;

    protected override ModelInputs CountVirtualTokens(ModelInputs inputs, TokenBatch tokens, int pastTokens, int front, int total)
    {
        if (inputs.PositionIds is { } positions)
        {
            CheckPositions(positions, tokens, 1);
            inputs = inputs with { PositionIds = Tensor.From(After(positions.ToArray<long>(), tokens, front, total), [tokens.Batch, front + tokens.Seq], Backend) };
        }

        if (inputs.AttentionMask is not { } mask)
            return inputs;
        var isReal = ReadMask(mask, tokens, pastTokens);
        var given = pastTokens + tokens.Seq;
        var extended = new bool[(long)tokens.Batch * (total + given)];
        extended.AsSpan().Fill(true);
        for (var row = 0; row < tokens.Batch; row++)
            isReal.AsSpan(row * given, given).CopyTo(extended.AsSpan((row * (total + given)) + total));
        return inputs with { AttentionMask = Tensor.From(extended, [tokens.Batch, total + given], Backend) };
    }

    protected override (RotaryTable Rotary, Tensor Positions, Tensor? Hidden, bool Causal) Derive(ModelInputs inputs, TokenBatch tokens, int pastTokens, int prefixLength)
    {
        var positions = inputs.PositionIds ?? Tensor.From(CountingOn(tokens, pastTokens), [tokens.Batch, tokens.Seq], Backend);
        var table = _rotary.Covering(CheckPositions(positions, tokens, 1));
        var hidden = inputs.AttentionMask is { } mask ? Hide(mask, tokens, pastTokens, prefixLength) : null;
        return (table, positions, hidden, Causal: hidden is null);
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

    private static long[] CountingOn(TokenBatch tokens, int pastTokens)
    {
        var positions = new long[(long)tokens.Batch * tokens.Seq];
        for (var i = 0; i < positions.Length; i++)
            positions[i] = pastTokens + (i % tokens.Seq);
        return positions;
    }

    /// <summary>Positions from 0 for the virtual tokens of this pass, and those of the others that much later.</summary>
    private static long[] After(long[] positions, TokenBatch tokens, int front, int total)
    {
        var seq = front + tokens.Seq;
        var after = new long[(long)tokens.Batch * seq];
        for (var i = 0; i < after.Length; i++)
            after[i] = i % seq < front ? i % seq : positions[(i / seq * tokens.Seq) + (i % seq) - front] + total;
        return after;
    }

    /// <summary>Checks a mask [batch, past + seq] and reads it: true where a token is real.</summary>
    private bool[] ReadMask(Tensor mask, TokenBatch tokens, int pastTokens)
    {
        var given = pastTokens + tokens.Seq;
        if (mask.Shape != new Shape(tokens.Batch, given) || mask.DType is not (DType.Int64 or DType.Bool or DType.Int32 or DType.Float32))
            throw new ModelInputException(nameof(ModelInputs.AttentionMask), $"expected int64 or bool [{tokens.Batch}, {given}] with 1 where a token is real, found {mask.DType} {mask.Shape}.");
        using var flags = Backend.Cast(mask, DType.Bool);
        return flags.ToArray<bool>();
    }

    /// <summary>Hidden keys [batch, seq, keys] where a mask hides any; null where all tokens are real and causality is enough.</summary>
    private Tensor? Hide(Tensor mask, TokenBatch tokens, int pastTokens, int prefixLength)
    {
        var given = pastTokens + tokens.Seq;
        var isReal = ReadMask(mask, tokens, pastTokens);
        if (!isReal.AsSpan().Contains(false))
            return null;
        var before = prefixLength + pastTokens;
        var keys = before + tokens.Seq;
        RequireMaskable(tokens.Batch, tokens.Seq, keys);
        var hidden = new bool[(long)tokens.Batch * tokens.Seq * keys];
        for (var row = 0; row < tokens.Batch; row++)
        {
            for (var query = 0; query < tokens.Seq; query++)
            {
                // Rows of padding attend to everything, so that their softmax is finite; with a cache or a prefix the reference leaves this out.
                if (before == 0 && !isReal[(row * given) + query])
                    continue;
                var at = (((long)row * tokens.Seq) + query) * keys;
                for (var key = prefixLength; key < keys; key++)
                    hidden[at + key] = key - before > query || !isReal[(row * given) + key - prefixLength];
            }
        }

        return Tensor.From(hidden, [tokens.Batch, tokens.Seq, keys], Backend);
    }

    /// <summary>The rotary table, with the stretch of the -32k models.</summary>
    internal static RotaryPositions CreateRotary(ChatGLM2Config config, Backend backend) => new(InverseFrequencies(config), RotaryStyle.Interleaved, 1, config.SeqLength,
        config.RopeScaling == RopeScaling.DividePositions ? (float)config.RopeRatio : 1, backend);

    private static float[] InverseFrequencies(ChatGLM2Config config)
    {
        var dim = config.KvChannels / 2;
        var rotaryBase = config.RopeScaling == RopeScaling.MultiplyBase ? 10000 * config.RopeRatio : 10000;
        var frequencies = new float[(dim + 1) / 2];
        for (var i = 0; i < frequencies.Length; i++)
            frequencies[i] = 1f / (float)Math.Pow(rotaryBase, 2f * i / dim);
        return frequencies;
    }

    /// <summary><c>embedding</c>, which holds <c>word_embeddings</c>.</summary>
    private sealed class Embeddings : Module
    {
        private readonly ModuleSlot<Embedding> _wordEmbeddings;

        public Embeddings(WeightScope scope, ChatGLM2Config config)
        {
            Table = scope["word_embeddings"].GetLinear(config.PaddedVocabSize, config.HiddenSize, (generator, values) => generator.Normal(values));
            _wordEmbeddings = Child("word_embeddings", Table switch
            {
                BlockQuantizedWeight blocks => new QuantizedEmbedding(blocks),
                DenseWeight dense => new Embedding(dense.Tensor),
                var other => throw new NotSupportedException(other.GetType().Name),
            });
        }

        public Embedding WordEmbeddings => _wordEmbeddings.Value;

        /// <summary>The table, [vocabulary, hidden].</summary>
        public LinearWeight Table { get; }
    }

    /// <summary><c>encoder</c>: the layers and the normalisation after them.</summary>
    private sealed class Encoder : Module
    {
        private readonly ModuleSlot<ModuleList<Block>> _layers;
        private readonly ModuleSlot<NormModule>? _finalLayernorm;

        public Encoder(WeightScope scope, ChatGLM2Config config, TorchGenerator generator)
        {
            _layers = Child("layers", new ModuleList<Block>(config.NumLayers, scope["layers"], (index, place) => new Block(place, config, index, generator)));
            if (config.PostLayerNorm)
                _finalLayernorm = Child("final_layernorm", Norm.Create(scope["final_layernorm"], config));
        }

        public ModuleList<Block> Layers => _layers.Value;

        public NormModule? FinalLayernorm => _finalLayernorm?.Value;
    }
}
