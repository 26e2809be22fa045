using System.Security.Cryptography;
using ChatGLM.Tensors;

namespace ChatGLM.Generation;

/// <summary>A request that has been checked against its session, with what follows from its options worked out.</summary>
internal sealed class GenerationPlan
{
    public GenerationPlan(IDecodingSession session, GenerationRequest request)
        : this(session.Rows, session.Length, session.VocabularySize, request)
    {
    }

    /// <param name="rows">The prompts.</param>
    /// <param name="length">The tokens of each.</param>
    /// <param name="vocabularySize">The number of scores in a row.</param>
    /// <param name="request">The request.</param>
    public GenerationPlan(int rows, int length, int vocabularySize, GenerationRequest request)
    {
        Request = request;
        var config = request.Config;
        config.Validate();
        config.ValidateTokens(vocabularySize);
        CheckPrompts(rows, length, vocabularySize, request);
        CheckRows(config, rows, vocabularySize);

        PromptLength = request.Prompts[0].Length;
        MaxLength = config.MaxNewTokens is { } more ? (int)Math.Min((long)PromptLength + more, int.MaxValue) : config.MaxLength;
        if (PromptLength >= MaxLength)
        {
            throw new GenerationConfigException("max_length", $"The prompt has {PromptLength} tokens, and the generation option 'max_length' is {MaxLength} with " +
                "the prompt counted in, so nothing can be generated. Set max_new_tokens, raise max_length, or shorten the prompt.");
        }

        EosTokenIds = [.. config.EosTokenId ?? []];
        if (config.StopStrings is { } stops)
        {
            StopStrings = new StopStringMatcher(stops, request.Decoder
                ?? throw new GenerationConfigException("stop_strings", "The generation option 'stop_strings' needs the text of tokens: generate with a tokenizer."));
        }

        PadTokenId = CheckPad(config, rows, vocabularySize);
        Processors = LogitsProcessors.Processors(config, PromptLength, MaxLength, request.Processors);
        Warpers = config.DoSample ? LogitsProcessors.Warpers(config) : new LogitsProcessorList();
        Random = config.Seed is { } seed ? new TorchGenerator(unchecked((ulong)seed))
            : request.Random ?? new TorchGenerator((ulong)RandomNumberGenerator.GetInt32(int.MaxValue));
    }

    public GenerationRequest Request { get; }

    public GenerationConfig Config => Request.Config;

    public int PromptLength { get; }

    /// <summary>The greatest length of a sequence, prompt included.</summary>
    public int MaxLength { get; }

    public int[] EosTokenIds { get; }

    /// <summary>What finished rows are fed and filled up with; -1 where no row can finish before the others.</summary>
    public int PadTokenId { get; }

    public StopStringMatcher? StopStrings { get; }

    public LogitsProcessorList Processors { get; }

    public LogitsProcessorList Warpers { get; }

    public TorchGenerator Random { get; }

    public bool IsEos(int token) => EosTokenIds.AsSpan().Contains(token);

    /// <summary>Each row so often, one after another: how sequences of one prompt start from its one prefilled row.</summary>
    public static int[] Repeat(int rows, int times) => [.. Enumerable.Range(0, checked(rows * times)).Select(i => i / times)];

    private static void CheckPrompts(int rows, int length, int vocabularySize, GenerationRequest request)
    {
        var prompts = request.Prompts;
        if (prompts.Count == 0 || prompts.Count != rows)
            throw new ArgumentException($"There are {prompts.Count} prompts and {rows} rows in the session; they must be as many.", nameof(request));
        foreach (var prompt in prompts)
        {
            if (prompt.Length != length)
                throw new ArgumentException($"A prompt has {prompt.Length} tokens and the session was fed {length}; they must be as many.", nameof(request));
            foreach (var token in prompt)
            {
                if ((uint)token >= (uint)vocabularySize)
                    throw new ArgumentException($"A prompt holds the token {token}; this model's vocabulary is 0 to {vocabularySize - 1}.", nameof(request));
            }
        }

        if (request.PaddingTokens is { } padding && padding.Count != prompts.Count)
            throw new ArgumentException($"There are {prompts.Count} prompts and {padding.Count} counts of padding; they must be as many.", nameof(request));
    }

    /// <summary>The scores of all rows are one array.</summary>
    private static void CheckRows(GenerationConfig config, int rows, int vocabularySize)
    {
        var (field, times) = config.NumBeams > 1 ? ("num_beams", config.NumBeams) : ("num_return_sequences", config.NumReturnSequences);
        var most = Array.MaxLength / ((long)vocabularySize * rows);
        if (times > 1 && times > most)
            throw new GenerationConfigException(field, $"The generation option '{field}' is {times}; {rows} prompts and {vocabularySize} tokens allow at most {most}.");
    }

    private static int CheckPad(GenerationConfig config, int prompts, int vocabularySize)
    {
        var rows = (long)prompts * (config.NumBeams > 1 ? config.NumBeams : config.NumReturnSequences);
        if (rows == 1 || (config.EosTokenId is null or [] && config.StopStrings is null))
            return -1;
        var pad = config.PadTokenId ?? (config.EosTokenId is [var first, ..] ? first : -1);
        if ((uint)pad >= (uint)vocabularySize)
        {
            throw new GenerationConfigException("pad_token_id", $"The generation option 'pad_token_id' is {(pad < 0 ? "not set" : pad)}; several rows are generated, and those that " +
                $"finish first are filled up with it: it must be a token of this model's vocabulary, 0 to {vocabularySize - 1}.");
        }

        return pad;
    }
}
