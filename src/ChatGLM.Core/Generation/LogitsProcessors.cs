namespace ChatGLM.Generation;

/// <summary>The chain of processors that a configuration asks for, in transformers' order.</summary>
internal static class LogitsProcessors
{
    /// <summary>What runs in every kind of generation.</summary>
    /// <param name="config">The options, validated.</param>
    /// <param name="promptLength">The tokens of each prompt, padding included.</param>
    /// <param name="maxLength">The greatest length, prompt included.</param>
    /// <param name="own">The caller's own, which run after those of the options.</param>
    public static LogitsProcessorList Processors(GenerationConfig config, int promptLength, int maxLength, IEnumerable<LogitsProcessor>? own = null)
    {
        var list = new LogitsProcessorList();
        int[] eos = [.. config.EosTokenId ?? []];
        if (config.SequenceBias is { } biases)
            list.Add(new SequenceBiasLogitsProcessor(biases.Select(b => (b.Tokens.ToArray(), (float)b.Bias))));
        if (config.RepetitionPenalty != 1)
            list.Add(new RepetitionPenaltyLogitsProcessor((float)config.RepetitionPenalty));
        if (config.NoRepeatNgramSize > 0)
            list.Add(new NoRepeatNGramLogitsProcessor(config.NoRepeatNgramSize));
        if (config.BadWordsIds is { } badWords)
            list.Add(new NoBadWordsLogitsProcessor(badWords.Select(w => w.ToArray()), eos));
        if (config.MinLength > 0 && eos.Length > 0)
            list.Add(new MinLengthLogitsProcessor(config.MinLength, eos));
        if (config.MinNewTokens > 0 && eos.Length > 0)
            list.Add(new MinNewTokensLengthLogitsProcessor(promptLength, config.MinNewTokens.Value, eos));
        if (config.ForcedBosTokenId is { } bos)
            list.Add(new ForcedBOSTokenLogitsProcessor(bos));
        if (config.ForcedEosTokenId is { } forcedEos)
            list.Add(new ForcedEOSTokenLogitsProcessor(maxLength, [.. forcedEos]));
        if (config.RemoveInvalidValues)
            list.Add(new InfNanRemoveLogitsProcessor());
        if (config.ExponentialDecayLengthPenalty is var (start, factor) && eos.Length > 0)
            list.Add(new ExponentialDecayLengthPenalty(start, factor, eos, promptLength));
        if (config.SuppressTokens is { } suppress)
            list.Add(new SuppressTokensLogitsProcessor([.. suppress]));
        if (config.BeginSuppressTokens is { } beginSuppress)
        {
            // Where a forced token takes the first place, the second one is the first that is free.
            var begin = promptLength > 1 || config.ForcedBosTokenId is null ? promptLength : promptLength + 1;
            list.Add(new SuppressTokensAtBeginLogitsProcessor([.. beginSuppress], begin));
        }

        foreach (var processor in own ?? [])
            list.Add(processor);
        if (config.RenormalizeLogits)
            list.Add(new LogitNormalization());
        return list;
    }

    /// <summary>The filters of sampling, which run after <see cref="Processors"/>.</summary>
    /// <param name="config">The options, validated.</param>
    public static LogitsProcessorList Warpers(GenerationConfig config)
    {
        var list = new LogitsProcessorList();
        var candidates = new Candidates();
        // A beam must always have something to go on with besides the end of sequence.
        var kept = config.NumBeams == 1 ? 1 : Math.Max(2, (config.EosTokenId?.Count ?? 1) + 1);
        if (config.Temperature != 1)
            list.Add(new TemperatureLogitsWarper((float)config.Temperature));
        if (config.TopK > 0)
            list.Add(new TopKLogitsWarper(config.TopK, kept));
        if (config.TopP < 1)
            list.Add(new TopPLogitsWarper(config.TopP, kept, candidates));
        if (config.MinP > 0)
            list.Add(new MinPLogitsWarper(config.MinP.Value, kept, candidates));
        if (config.TypicalP < 1)
            list.Add(new TypicalLogitsWarper(config.TypicalP, kept, candidates));
        if (config.EpsilonCutoff is > 0 and < 1)
            list.Add(new EpsilonLogitsWarper(config.EpsilonCutoff, kept, candidates));
        if (config.EtaCutoff is > 0 and < 1)
            list.Add(new EtaLogitsWarper(config.EtaCutoff, kept, candidates));
        if (config.RenormalizeLogits)
            list.Add(new LogitNormalization());
        return list;
    }
}
