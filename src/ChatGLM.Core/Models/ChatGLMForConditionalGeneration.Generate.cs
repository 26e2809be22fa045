using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ChatGLM.Generation;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Models;

/// <content>Generation of ids and of text.</content>
public abstract partial class ChatGLMForConditionalGeneration
{
    /// <summary>The token that the model's own guard makes certain when scores are not finite.</summary>
    internal virtual int InvalidScoreToken => Math.Min(5, Config.VocabularySize - 1);

    /// <summary>Generates from prompts as transformers' <c>generate</c> does.</summary>
    /// <param name="prompts">Ids [batch, seq], padded on the left, with the mask and positions that the tokenizer gives, or none where rows are not padded.</param>
    /// <param name="config">The options; null for <see cref="GenerationConfig"/>. Special tokens that it leaves out are taken from there.</param>
    /// <param name="processors">The caller's own processors, after those of the options.</param>
    /// <param name="random">Where sampling draws from when the options give no seed; null for a new generator.</param>
    /// <param name="onToken">Called with row and token as soon as one is chosen; not in a beam search.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    /// <exception cref="PromptTooLongException">The prompt fills the model's positions.</exception>
    /// <exception cref="InvalidLogitsException">The weights or activations hold NaN or infinity.</exception>
    public GenerationResult Generate(
        ModelInputs prompts,
        GenerationConfig? config = null,
        IReadOnlyList<LogitsProcessor>? processors = null,
        TorchGenerator? random = null,
        Action<int, int>? onToken = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        return Generate(prompts, Complete(config), new GenerationCall(processors, random, onToken), cancellationToken);
    }

    /// <summary>Generates from one prompt of ids.</summary>
    /// <param name="promptIds">The prompt, special tokens included: what a tokenizer's <c>Encode</c> gives.</param>
    /// <param name="config">The options; null for <see cref="GenerationConfig"/>.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    public GenerationResult Generate(ReadOnlySpan<int> promptIds, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        using var scope = new TensorScope();
        return Generate(PromptOf(promptIds), config, cancellationToken: cancellationToken);
    }

    /// <summary>Generates from a batch of encoded texts.</summary>
    /// <param name="prompts">What a tokenizer's <c>EncodeBatch</c> gives.</param>
    /// <param name="config">The options; null for <see cref="GenerationConfig"/>.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    public GenerationResult Generate(BatchEncoding prompts, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        using var scope = new TensorScope();
        return Generate(InputsOf(prompts), config, cancellationToken: cancellationToken);
    }

    /// <summary>Continues a text.</summary>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="prompt">The text.</param>
    /// <param name="config">The options, stop strings among them; null for <see cref="GenerationConfig"/>.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    public TextGenerationResult Generate(ChatGLMTokenizer tokenizer, string prompt, GenerationConfig? config = null, CancellationToken cancellationToken = default) =>
        GenerateText(tokenizer, prompt, null, Complete(config), null, cancellationToken);

    /// <summary>Continues a text and hands its pieces out as they come; a piece never ends inside a character.</summary>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="prompt">The text.</param>
    /// <param name="onText">Called with each piece.</param>
    /// <param name="config">The options, stop strings among them; null for <see cref="GenerationConfig"/>.</param>
    /// <param name="processors">The caller's own processors, after those of the options.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    public TextGenerationResult Generate(
        ChatGLMTokenizer tokenizer,
        string prompt,
        Action<string> onText,
        GenerationConfig? config = null,
        IReadOnlyList<LogitsProcessor>? processors = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(onText);
        return GenerateText(tokenizer, prompt, onText, Complete(config), processors, cancellationToken);
    }

    /// <summary>Continues a text on a worker thread.</summary>
    /// <inheritdoc cref="Generate(ChatGLMTokenizer, string, GenerationConfig?, CancellationToken)"/>
    public Task<TextGenerationResult> GenerateAsync(ChatGLMTokenizer tokenizer, string prompt, GenerationConfig? config = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Generate(tokenizer, prompt, config, cancellationToken), cancellationToken);

    /// <summary>Generates ids on a worker thread.</summary>
    /// <param name="promptIds">The prompt, special tokens included.</param>
    /// <param name="config">The options; null for <see cref="GenerationConfig"/>.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    public Task<GenerationResult> GenerateAsync(ReadOnlyMemory<int> promptIds, GenerationConfig? config = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Generate(promptIds.Span, config, cancellationToken), cancellationToken);

    /// <summary>Continues a text piece by piece, on a worker thread. A piece never ends inside a character. Ending the enumeration early ends the work.</summary>
    /// <inheritdoc cref="Generate(ChatGLMTokenizer, string, GenerationConfig?, CancellationToken)"/>
    public IAsyncEnumerable<string> StreamGenerateAsync(ChatGLMTokenizer tokenizer, string prompt, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        RequireTokenizer(tokenizer);
        ArgumentNullException.ThrowIfNull(prompt);
        return StreamAsync((emit, cancellation) => GenerateText(tokenizer, prompt, emit, Complete(config), null, cancellation), cancellationToken);
    }

    /// <summary>Runs work on another thread and hands its pieces on as they come.</summary>
    internal static async IAsyncEnumerable<string> StreamAsync(Action<Action<string>, CancellationToken> work, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        var worker = Task.Run(
            () =>
            {
                try
                {
                    work(piece => pieces.Writer.TryWrite(piece), ending.Token);
                    pieces.Writer.Complete();
                }
                catch (Exception error)
                {
                    pieces.Writer.Complete(error); // comes out of the enumeration
                }
            },
            CancellationToken.None);
        try
        {
            await foreach (var piece in pieces.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await worker.ConfigureAwait(false);
        }
    }

    /// <summary>Generates with options that are complete.</summary>
    internal GenerationResult Generate(ModelInputs prompts, GenerationConfig config, GenerationCall call, CancellationToken cancellationToken)
    {
        var tokens = TokenBatch.Read(prompts.InputIds, Config.VocabularySize);
        var past = prompts.PastKeyValues?.TokenLength ?? 0;
        if (past != call.Past.Length)
        {
            throw new ModelInputException(nameof(ModelInputs.PastKeyValues), $"the cache holds {past} tokens that this call does not name, and processors such as the repetition penalty need them all. "
                + "Give the whole prompt and no cache, or keep the conversation with StartChat, which reuses its cache.");
        }

        var rows = Enumerable.Range(0, tokens.Batch).Select(row => (int[])[.. call.Past, .. tokens[row].ToArray().Select(id => (int)id)]).ToArray();
        RequireRoom(past + tokens.Seq);
        if (prompts.PositionIds is { } positions)
            Transformer.CheckPositions(positions, tokens, Transformer.Sections);
        var request = new GenerationRequest
        {
            Prompts = rows,
            Config = Limit(config, past + tokens.Seq),
            PaddingTokens = PaddingOf(prompts, tokens),
            Processors = call.Processors ?? [],
            Random = call.Random,
            OnToken = call.OnToken,
            Decoder = call.Decoder,
        };
        using var session = DecodingSession.Start(this, prompts with { CancellationToken = cancellationToken });
        return Generation.Generator.Generate(session, request, cancellationToken);
    }

    private TextGenerationResult GenerateText(
        ChatGLMTokenizer tokenizer, string prompt, Action<string>? onText, GenerationConfig options, IReadOnlyList<LogitsProcessor>? processors, CancellationToken cancellationToken)
    {
        RequireTokenizer(tokenizer);
        ArgumentNullException.ThrowIfNull(prompt);
        using var scope = new TensorScope();
        var stream = onText is null ? null : new TokenTextStream(tokenizer, options.EosTokenId ?? [], onText);
        var call = new GenerationCall(processors, OnToken: stream is null ? null : stream.Append, Decoder: ids => tokenizer.Decode(ids));
        var result = Generate(PromptOf(tokenizer.Encode(prompt)), options, call, cancellationToken);
        stream?.Flush();
        return TextGenerationResult.From(result, tokenizer, options);
    }

    /// <summary>Refuses a tokenizer whose ids this model was not trained on, although many of them may be in its vocabulary.</summary>
    internal void RequireTokenizer(ChatGLMTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (Config is ChatGLM6BConfig != tokenizer.Generation is ChatGLMGeneration.ChatGLM6B)
        {
            throw new ModelInputException(nameof(tokenizer), $"'{tokenizer.NameOrPath}' is a {tokenizer.Generation} tokenizer, expected one of {(Config is ChatGLM6BConfig ? "ChatGLM6B" : "ChatGLM2 or ChatGLM3")}, as the model is. "
                + "Use the tokenizer of the same snapshot as the model.");
        }
    }

    /// <summary>Options with the special tokens of this model where they name none.</summary>
    internal GenerationConfig Complete(GenerationConfig? config) => config is null
        ? GenerationConfig
        : config with
        {
            EosTokenId = config.EosTokenId ?? GenerationConfig.EosTokenId,
            PadTokenId = config.PadTokenId ?? GenerationConfig.PadTokenId,
            BosTokenId = config.BosTokenId ?? GenerationConfig.BosTokenId,
        };

    /// <summary>One prompt as inputs, in the current scope.</summary>
    internal ModelInputs PromptOf(ReadOnlySpan<int> ids)
    {
        var wide = new long[ids.Length];
        for (var i = 0; i < wide.Length; i++)
            wide[i] = ids[i];
        return new ModelInputs { InputIds = Tensor.From(wide, [1, wide.Length], Backend) };
    }

    /// <summary>Refuses a prompt that leaves no room for an answer.</summary>
    internal void RequireRoom(int promptTokens)
    {
        promptTokens += Prompt.TokenLength; // virtual tokens have positions too
        if (promptTokens >= Config.MaxPositions)
            throw new PromptTooLongException(promptTokens, Config.MaxPositions, Config is ChatGLM6BConfig ? "max_sequence_length" : "seq_length");
    }

    private ModelInputs InputsOf(BatchEncoding prompts)
    {
        var inputs = new ModelInputs { InputIds = Wide(prompts.InputIds, [prompts.Batch, prompts.Sequence]) };
        if (prompts.AttentionMask is { } mask)
        {
            // ChatGLM-6B's mask says what is hidden and is bool; the later one counts real tokens.
            var shape = new Shape(prompts.AttentionMaskShape.ToArray());
            inputs = inputs with { AttentionMask = Config is ChatGLM6BConfig ? Tensor.From(Array.ConvertAll(mask, m => m != 0), shape, Backend) : Wide(mask, shape) };
        }

        if (prompts.PositionIds is not { } positions)
            return inputs;
        return Config is ChatGLM6BConfig { PositionEncoding2D: false } first && prompts.PositionIdsShape.Count == 3
            ? inputs with { PositionIds = Wide(OneDimensional(prompts, first), [prompts.Batch, prompts.Sequence]) }
            : inputs with { PositionIds = Wide(positions, new Shape(prompts.PositionIdsShape.ToArray())) };
    }

    /// <summary>The tokenizer does not know whether the model has one-dimensional positions: there the answer to [gMASK] counts on, any other stays at its blank.</summary>
    private static int[] OneDimensional(BatchEncoding prompts, ChatGLM6BConfig config)
    {
        var seq = prompts.Sequence;
        var positions = new int[prompts.Batch * seq];
        for (var row = 0; row < prompts.Batch; row++)
        {
            var ids = prompts.Row(row);
            var padding = ids.IndexOfAnyExcept(config.PadTokenId) is >= 0 and var start ? start : seq;
            var countsOn = ids.Contains(config.GMaskTokenId);
            for (var i = padding; i < seq; i++)
                positions[(row * seq) + i] = countsOn ? i - padding : prompts.PositionIds![(2 * row * seq) + i];
        }

        return positions;
    }

    private Tensor Wide(int[] values, in Shape shape) => Tensor.From(Array.ConvertAll(values, v => (long)v), shape, Backend);

    /// <summary>A length that the positions of the model can carry.</summary>
    internal GenerationConfig Limit(GenerationConfig config, int promptTokens)
    {
        // ChatGLM-6B's positions go on beyond what it was trained on, as in the reference.
        if (Config is ChatGLM6BConfig)
            return config;
        var positions = Config.MaxPositions - Prompt.TokenLength;
        return config.MaxNewTokens is { } more
            ? config with { MaxNewTokens = Math.Min(more, positions - promptTokens) }
            : config with { MaxLength = Math.Min(config.MaxLength, positions) };
    }

    private int[]? PaddingOf(ModelInputs prompts, TokenBatch tokens)
    {
        // ChatGLM-6B's mask hides and does not count: there the ids tell what was padded.
        if (Config is ChatGLM6BConfig first)
            return [.. Enumerable.Range(0, tokens.Batch).Select(row => tokens[row].IndexOfAnyExcept(first.PadTokenId) is >= 0 and var start ? start : tokens.Seq)];
        if (prompts.AttentionMask is not { Shape.Rank: 2 } mask || mask.Shape != prompts.InputIds.Shape)
            return null;
        using var flags = mask.Backend.Cast(mask, DType.Bool);
        var isReal = flags.ToArray<bool>();
        return [.. Enumerable.Range(0, tokens.Batch).Select(row => isReal.AsSpan(row * tokens.Seq, tokens.Seq).IndexOf(true) is >= 0 and var first ? first : tokens.Seq)];
    }
}
