using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// What both architectures run alike (<c>transformer</c> in the state dict): embed, go through the layers, normalise. What they differ in, positions, masks and the layers themselves,
/// is in the two classes that derive from it.
/// </summary>
internal abstract partial class Transformer : Module
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

    /// <summary>How a cache that a pass makes holds keys and values.</summary>
    public KeyValueFormat CacheFormat { get; set; }

    /// <summary>The P-Tuning v2 prefix that is a part of the model (<c>prefix_encoder</c> in the state dict), if it has one.</summary>
    public PrefixEncoder? PrefixEncoder { get; private set; }

    /// <summary>The width of a prefix encoder's table with projection.</summary>
    public abstract int PrefixEmbeddingWidth { get; }

    /// <summary>A prompt that belongs to somebody else.</summary>
    public SoftPrompt? SoftPrompt { get; set; }

    /// <summary>What stands before a row's first token.</summary>
    public StandingPrompt Prompt => new(SoftPrompt as KeyValuePrompt ?? PrefixEncoder, SoftPrompt as EmbeddingPrompt);

    /// <summary>The position rows of a token: one in the context and one in the block, or a single one.</summary>
    public abstract int Sections { get; }

    /// <summary>Whether the last hidden state that is reported is the normalised one.</summary>
    protected abstract bool ReportsNormalizedState { get; }

    /// <summary>Puts a prefix in, or takes the one that is there out; it is not disposed.</summary>
    public void SetPrefix(PrefixEncoder? prefix)
    {
        const string Name = "prefix_encoder";
        RemoveChild(Name);
        PrefixEncoder = prefix;
        if (prefix is not null)
            Child(Name, prefix);
    }

    /// <summary>The virtual tokens that a pass runs before the given ones: those of the prompt, unless the cache has them already.</summary>
    public int VirtualTokens(ModelInputs inputs) => inputs.PastKeyValues is { Length: > 0 } ? 0 : Prompt.TokenLength;

    /// <summary>[batch, seq] to the last hidden state [batch, seq, hidden], or [batch, 1, hidden] if only the last position's scores are wanted.</summary>
    public TransformerOutput Forward(ModelInputs inputs)
    {
        var tokens = TokenBatch.Read(inputs.InputIds, _config.VocabularySize);
        var recomputes = GradientCheckpointing && Training && GradMode.Enabled && inputs.PastKeyValues is null;
        var cache = inputs.PastKeyValues ?? (inputs.UseCache == true && !recomputes ? new KeyValueCache(_config.NumLayers, Backend, CacheFormat) : null);
        if (cache is not null && cache.Layers != _config.NumLayers)
            throw new ModelInputException(nameof(ModelInputs.PastKeyValues), $"the cache has {cache.Layers} layers, the model {_config.NumLayers}.");
        using var scope = new TensorScope();
        try
        {
            var states = new List<Tensor>();
            // A cache goes on with the prompt that it began with.
            var prompt = cache is { Length: > 0 } ? cache.Prompt : Prompt;
            var hidden = RunLayers(inputs, tokens, prompt, cache, recomputes, states);
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

    /// <summary>One more token per row, in its buffers: the same numbers as <see cref="Forward(ModelInputs)"/> gives, to the bit.</summary>
    /// <returns>The normalised last state, [rows, 1, hidden]: one of the buffers.</returns>
    public Tensor Forward(TokenPass pass, CancellationToken cancellationToken)
    {
        Embed(pass);
        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RunLayer(layer, pass);
        }

        pass.Cache.Advance(1);
        return Normalize(pass);
    }

    /// <summary>The widths of this model, for a <see cref="TokenPass"/>.</summary>
    public abstract TokenPassSizes Sizes { get; }

    /// <summary>The rotary table, as far as a number of positions.</summary>
    public abstract RotaryTable Covering(long positions);

    protected override void OnMoved(Backend backend) => Backend = backend;

    protected abstract void Embed(TokenPass pass);

    protected abstract void RunLayer(int layer, TokenPass pass);

    protected abstract Tensor Normalize(TokenPass pass);

    /// <summary>Word embeddings, float32 [batch, seq, hidden].</summary>
    protected abstract Tensor Embed(Tensor ids);

    /// <summary>Positions and masks that count virtual tokens too, of those that the caller gave without; what is null stays null.</summary>
    /// <param name="inputs">What the caller gave.</param>
    /// <param name="tokens">The ids.</param>
    /// <param name="pastTokens">Tokens in the cache, without the virtual ones and the prefix.</param>
    /// <param name="front">The virtual tokens that this pass runs.</param>
    /// <param name="total">The virtual tokens that stand before the first token; the cache has them if this pass does not run them.</param>
    protected abstract ModelInputs CountVirtualTokens(ModelInputs inputs, TokenBatch tokens, int pastTokens, int front, int total);

    /// <summary>Positions and masks as given, or derived from the ids.</summary>
    /// <param name="inputs">What the caller gave, virtual tokens counted.</param>
    /// <param name="tokens">The ids, behind those of virtual tokens.</param>
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
    protected static void RequireMaskable(int batch, int seq, long keys)
    {
        if ((long)batch * seq * keys > Array.MaxLength)
            throw new ModelInputException(nameof(ModelInputs.InputIds), $"[{batch}, {seq}] tokens over {keys} keys need a mask of more than {Array.MaxLength} elements. Give fewer rows or shorter ones at a time.");
    }

    private Tensor RunLayers(ModelInputs inputs, TokenBatch tokens, StandingPrompt prompt, KeyValueCache? cache, bool recomputes, List<Tensor> states)
    {
        var isFirst = cache is null || cache.Length == 0;
        var context = CreateContext(inputs, tokens, prompt, cache, isFirst, recomputes);
        var hidden = inputs.InputsEmbeds is { } embedded ? RequireEmbedding(embedded, tokens) : Embed(inputs.InputIds);
        if (isFirst && prompt.Tokens is { } virtualTokens)
            hidden = virtualTokens.Before(hidden);
        var seq = hidden.Shape[1];
        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            inputs.CancellationToken.ThrowIfCancellationRequested();
            if (inputs.OutputHiddenStates)
                states.Add(hidden);
            var next = recomputes ? Recompute(layer, hidden, context) : RunInScope(layer, hidden, context);
            // The tape holds on to what it needs; nobody else does.
            if (!inputs.OutputHiddenStates)
                hidden.Dispose();
            hidden = next;
        }

        if (isFirst)
            cache?.Begin(prompt);
        cache?.Advance(seq + (isFirst ? prompt.KeyLength : 0));
        if (inputs.OutputHiddenStates && !ReportsNormalizedState)
            states.Add(hidden);
        if (inputs.LastLogitsOnly && !inputs.OutputHiddenStates && seq > 1)
            hidden = Functional.Slice(hidden, 1, seq - 1, 1);
        hidden = Normalize(hidden);
        if (inputs.OutputHiddenStates && ReportsNormalizedState)
            states.Add(hidden);
        return hidden;
    }

    private LayerContext CreateContext(ModelInputs inputs, TokenBatch tokens, StandingPrompt prompt, KeyValueCache? cache, bool isFirst, bool recomputes)
    {
        // A layer that is run again in the backward pass needs positions and masks then: they must outlive this pass's scope.
        using var outliving = recomputes ? TensorScope.Suspend() : null;
        var pastTokens = isFirst ? 0 : cache!.Length - prompt.KeyLength;
        var front = isFirst ? prompt.TokenLength : 0;
        if (prompt.TokenLength > 0)
            inputs = CountVirtualTokens(inputs, tokens, isFirst ? 0 : pastTokens - prompt.TokenLength, front, prompt.TokenLength);
        var (rotary, positions, hidden, causal) = Derive(inputs, tokens.Behind(front), pastTokens, prompt.KeyLength);
        return new LayerContext
        {
            Rotary = rotary,
            Positions = positions,
            Hidden = hidden,
            Causal = causal,
            Cache = cache,
            Prefix = isFirst ? prompt.Keys?.PerLayer(tokens.Batch, _config) : null,
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

    private Tensor RunInScope(int layer, Tensor hidden, LayerContext context)
    {
        using var scope = new TensorScope();
        return scope.Keep(RunLayer(layer, hidden, context));
    }
}

/// <summary>What a transformer gives: the normalised last state, the states asked for, and the cache.</summary>
internal readonly record struct TransformerOutput(Tensor Hidden, IReadOnlyList<Tensor> HiddenStates, KeyValueCache? Cache);
