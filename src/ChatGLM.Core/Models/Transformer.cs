using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// What both architectures run alike (<c>transformer</c> in the state dict): embed, go through the layers, normalise. What they differ in, positions, masks and the layers themselves,
/// is in the two classes that derive from it.
/// </summary>
internal abstract class Transformer : Module
{
    private readonly ChatGLMConfig _config;
    private readonly TorchGenerator _generator;

    protected Transformer(ChatGLMConfig config, Backend backend, TorchGenerator generator)
    {
        _config = config;
        _generator = generator;
        Backend = backend;
    }

    public Backend Backend { get; private set; }

    /// <summary>Recomputes each layer in the backward pass instead of keeping what is inside it.</summary>
    public bool GradientCheckpointing { get; set; }

    protected abstract PrefixEncoder? PrefixEncoder { get; }

    /// <summary>The position rows of a token: one in the context and one in the block, or a single one.</summary>
    public abstract int Sections { get; }

    /// <summary>Whether the last hidden state that is reported is the normalised one.</summary>
    protected abstract bool ReportsNormalizedState { get; }

    /// <summary>The tokens in front of which no prompt token stands: the P-Tuning prefix.</summary>
    public int PrefixLength => _config.PreSeqLen ?? 0;

    /// <summary>[batch, seq] to the last hidden state [batch, seq, hidden], or [batch, 1, hidden] if only the last position's scores are wanted.</summary>
    public TransformerOutput Forward(ModelInputs inputs)
    {
        var tokens = TokenBatch.Read(inputs.InputIds, _config.VocabularySize);
        var recomputes = GradientCheckpointing && Training && GradMode.Enabled && inputs.PastKeyValues is null;
        var cache = inputs.PastKeyValues ?? (inputs.UseCache == true && !recomputes ? new KeyValueCache(_config.NumLayers, Backend) : null);
        if (cache is not null && cache.Layers != _config.NumLayers)
            throw new ModelInputException(nameof(ModelInputs.PastKeyValues), $"the cache has {cache.Layers} layers, the model {_config.NumLayers}.");
        using var scope = new TensorScope();
        try
        {
            var states = new List<Tensor>();
            var hidden = RunLayers(inputs, tokens, cache, recomputes, states);
            foreach (var state in states)
                scope.Keep(state);
            return new TransformerOutput(scope.Keep(hidden), states, cache);
        }
        catch when (inputs.PastKeyValues is null)
        {
            cache?.Dispose();
            throw;
        }
    }

    protected override void OnMoved(Backend backend) => Backend = backend;

    /// <summary>Word embeddings, float32 [batch, seq, hidden].</summary>
    protected abstract Tensor Embed(Tensor ids);

    /// <summary>Positions and masks as given, or derived from the ids.</summary>
    /// <param name="inputs">What the caller gave.</param>
    /// <param name="tokens">The ids.</param>
    /// <param name="pastTokens">Tokens in the cache, without the prefix.</param>
    /// <param name="prefixLength">Keys of the prefix, in the cache or about to stand before the tokens.</param>
    protected abstract (RotaryTable Rotary, Tensor Positions, Tensor? Hidden, bool Causal) Derive(ModelInputs inputs, TokenBatch tokens, int pastTokens, int prefixLength);

    protected abstract Tensor RunLayer(int layer, Tensor hidden, LayerContext context);

    protected abstract Tensor Normalize(Tensor hidden);

    /// <summary>Checks the shape of positions [batch, seq] or [batch, sections, seq] and returns one more than the largest.</summary>
    public static long CheckPositions(Tensor positions, TokenBatch tokens, int sections)
    {
        Shape expected = sections == 1 ? [tokens.Batch, tokens.Seq] : [tokens.Batch, sections, tokens.Seq];
        if (positions.DType != DType.Int64 || positions.Shape != expected)
            throw new ModelInputException(nameof(ModelInputs.PositionIds), $"expected int64 {expected}, found {positions.DType} {positions.Shape}.");
        long largest = 0;
        foreach (var position in positions.ToArray<long>())
        {
            if (position < 0)
                throw new ModelInputException(nameof(ModelInputs.PositionIds), $"a position is {position}, expected at least 0.");
            largest = Math.Max(largest, position);
        }

        return largest + 1;
    }

    /// <summary>Refuses rows whose mask of every query and key would be more than one array.</summary>
    protected static void RequireMaskable(TokenBatch tokens, long keys)
    {
        if ((long)tokens.Batch * tokens.Seq * keys > Array.MaxLength)
            throw new ModelInputException(nameof(ModelInputs.InputIds), $"[{tokens.Batch}, {tokens.Seq}] tokens over {keys} keys need a mask of more than {Array.MaxLength} elements. Give fewer rows or shorter ones at a time.");
    }

    private Tensor RunLayers(ModelInputs inputs, TokenBatch tokens, KeyValueCache? cache, bool recomputes, List<Tensor> states)
    {
        var isFirst = cache is null || cache.Length == 0;
        var context = CreateContext(inputs, tokens, cache, isFirst, recomputes);
        var hidden = inputs.InputsEmbeds is { } embedded ? RequireEmbedding(embedded, tokens) : Embed(inputs.InputIds);
        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            inputs.CancellationToken.ThrowIfCancellationRequested();
            if (inputs.OutputHiddenStates)
                states.Add(hidden);
            var index = layer;
            var next = recomputes
                ? Recompute(index, hidden, context)
                : InScope(hidden, x => RunLayer(index, x, context));
            // The tape holds on to what it needs; nobody else does.
            if (!inputs.OutputHiddenStates)
                hidden.Dispose();
            hidden = next;
        }

        cache?.Advance(tokens.Seq + (isFirst ? PrefixLength : 0));
        if (inputs.OutputHiddenStates && !ReportsNormalizedState)
            states.Add(hidden);
        if (inputs.LastLogitsOnly && !inputs.OutputHiddenStates && tokens.Seq > 1)
            hidden = Functional.Slice(hidden, 1, tokens.Seq - 1, 1);
        hidden = Normalize(hidden);
        if (inputs.OutputHiddenStates && ReportsNormalizedState)
            states.Add(hidden);
        return hidden;
    }

    private LayerContext CreateContext(ModelInputs inputs, TokenBatch tokens, KeyValueCache? cache, bool isFirst, bool recomputes)
    {
        // A layer that is run again in the backward pass needs positions and masks then: they must outlive this pass's scope.
        using var outliving = recomputes ? TensorScope.Suspend() : null;
        var (rotary, positions, hidden, causal) = Derive(inputs, tokens, isFirst ? 0 : cache!.Length - PrefixLength, PrefixLength);
        return new LayerContext
        {
            Rotary = rotary,
            Positions = positions,
            Hidden = hidden,
            Causal = causal,
            Cache = cache,
            Prefix = isFirst ? PrefixEncoder?.Forward(tokens.Batch) : null,
        };
    }

    private Tensor Recompute(int layer, Tensor hidden, LayerContext context)
    {
        if (context.Prefix is not { } prefix)
            return GradientCheckpoint.Run(x => RunLayer(layer, x, context), hidden, _generator);
        // The prefix is trained: its keys and values of this layer are inputs, so that their gradients find the way out.
        return GradientCheckpoint.Run(
            inputs => [RunLayer(layer, inputs[0], context.WithPrefix(layer, inputs[1], inputs[2]))], [hidden, prefix[layer].Key, prefix[layer].Value], _generator)[0];
    }

    private Tensor RequireEmbedding(Tensor embedded, TokenBatch tokens)
    {
        Shape expected = [tokens.Batch, tokens.Seq, _config.HiddenSize];
        return embedded.Shape == expected && embedded.DType == DType.Float32
            ? Functional.Reshape(embedded, expected) // a handle of our own: the caller's is not ours to dispose
            : throw new ModelInputException(nameof(ModelInputs.InputsEmbeds), $"expected float32 {expected}, found {embedded.DType} {embedded.Shape}.");
    }

    private static Tensor InScope(Tensor x, Func<Tensor, Tensor> layer)
    {
        using var scope = new TensorScope();
        return scope.Keep(layer(x));
    }
}

/// <summary>What a transformer gives: the normalised last state, the states asked for, and the cache.</summary>
internal readonly record struct TransformerOutput(Tensor Hidden, IReadOnlyList<Tensor> HiddenStates, KeyValueCache? Cache);
