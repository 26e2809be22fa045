using ChatGLM.Generation;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>A ChatGLM model that answers: forward passes for training and analysis, generation of ids, and chat. Load one with <see cref="AutoModel"/>.</summary>
public abstract partial class ChatGLMForConditionalGeneration : PreTrainedModel
{
    private protected ChatGLMForConditionalGeneration(ChatGLMConfig config, Backend backend, TorchGenerator generator)
        : base(config, backend, generator)
    {
    }

    /// <inheritdoc/>
    public sealed override bool GradientCheckpointing
    {
        get => Transformer.GradientCheckpointing;
        set => Transformer.GradientCheckpointing = value;
    }

    /// <summary>The generation options that are used where a call gives none: those of the snapshot's generation_config.json.</summary>
    public GenerationConfig GenerationConfig { get; set; } = new();

    /// <summary>How the caches of generation and chat hold keys and values: in half precision with half the memory, or in 8 bits with a little more than a quarter. A chat that has begun goes on as it began.</summary>
    public KeyValueFormat CacheFormat
    {
        get => Transformer.CacheFormat;
        set => Transformer.CacheFormat = Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(nameof(CacheFormat), value, "There is no such format.");
    }

    /// <summary>Whether a longer prompt can go on from the keys and values of a shorter one that it begins with.</summary>
    internal abstract bool CanContinueFromCache { get; }

    private protected sealed override string Architecture => "ChatGLMForConditionalGeneration";

    /// <inheritdoc/>
    public sealed override ModelOutput Forward(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        inputs = inputs.On(Backend);
        if (inputs.Labels is not null && inputs.LastLogitsOnly)
            throw new ModelInputException(nameof(ModelInputs.LastLogitsOnly), "the loss needs the scores of every position.");
        if (inputs.LossOnly && inputs.Labels is null)
            throw new ModelInputException(nameof(ModelInputs.LossOnly), "without labels there is no loss.");
        var virtualTokens = Transformer.VirtualTokens(inputs);
        var nextTokens = inputs.Labels is { } labels ? CausalLoss.NextTokens(labels, inputs.InputIds, Config.VocabularySize, virtualTokens) : null;
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var (hidden, states, cache) = Transformer.Forward(inputs);
        if (inputs.LastLogitsOnly && hidden.Shape[1] > 1)
            hidden = Functional.Slice(hidden, 1, hidden.Shape[1] - 1, 1);
        var logits = inputs.LossOnly ? null : OutputLayer.Forward(hidden);
        var loss = nextTokens is null ? null : logits is null ? CausalLoss.Compute(hidden, OutputLayer, nextTokens) : CausalLoss.Compute(logits, nextTokens);
        foreach (var state in states)
            scope.Keep(state);
        return new ModelOutput(logits is null ? null : scope.Keep(logits), loss is null ? null : scope.Keep(loss), states, cache is not null && inputs.UseCache != false ? cache : null)
        {
            VirtualTokens = inputs.LastLogitsOnly ? 0 : virtualTokens,
        };
    }

    /// <inheritdoc/>
    public override void SavePretrained(string folder, SaveOptions? options = null)
    {
        base.SavePretrained(folder, options);
        GenerationConfig.SavePretrained(folder);
    }

    /// <summary>Gives the scores of the vocabulary, [..., hidden] to [..., vocabulary].</summary>
    private protected abstract Linear OutputLayer { get; }

    /// <summary>The buffers of one more token per row; null where the backend has no kernels that write into them, or dropout is on.</summary>
    internal TokenPass? CreateTokenPass(int rows) => !Training && Backend.Decoding is { } kernels ? new TokenPass(kernels, Backend, rows, Transformer.Sizes) : null;

    /// <summary>Scores one more token per row, in its buffers.</summary>
    internal void Forward(TokenPass pass, ReadOnlySpan<int> tokens, DecodingState state, KeyValueCache cache, CancellationToken cancellationToken)
    {
        using var weights = BeginPass();
        using var noGrad = GradMode.NoGrad();
        pass.Begin(tokens, state, cache, Transformer);
        pass.Run(OutputLayer, Transformer.Forward(pass, cancellationToken), pass.Scores);
    }

    /// <summary>Masks and positions of the tokens that will follow a prompt.</summary>
    /// <param name="prompt">The prompt, about to be fed.</param>
    /// <param name="pastTokens">Tokens that the cache holds already, without a soft prompt.</param>
    internal abstract DecodingState StartDecoding(ModelInputs prompt, int pastTokens);

    /// <summary>Masks and positions of a prompt and what will follow it, for passes over pages.</summary>
    /// <param name="prompt">The ids.</param>
    internal abstract SequencePositions PositionsOf(ReadOnlySpan<int> prompt);

    /// <summary>What stands before a row's first token now.</summary>
    internal StandingPrompt Prompt => Transformer.Prompt;
}
