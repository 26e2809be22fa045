using System.Text.Json;

namespace ChatGLM.Generation;

/// <content>What values can be used.</content>
public sealed partial record GenerationConfig
{
    // Options of transformers that change what is generated and are not supported here, with the value that switches them off.
    private static readonly (string Field, double Off)[] Unsupported =
    [
        ("num_beam_groups", 1), ("diversity_penalty", 0), ("penalty_alpha", 0), ("guidance_scale", 1),
        ("encoder_repetition_penalty", 1), ("encoder_no_repeat_ngram_size", 0),
    ];

    /// <summary>Checks every option by itself and against the others.</summary>
    /// <exception cref="GenerationConfigException">An option cannot be used; the message says which and why.</exception>
    public void Validate()
    {
        AtLeast("max_length", MaxLength, 1);
        AtLeast("max_new_tokens", MaxNewTokens ?? 1, 1);
        AtLeast("min_length", MinLength, 0);
        AtLeast("min_new_tokens", MinNewTokens ?? 0, 0);
        AtLeast("num_beams", NumBeams, 1);
        AtLeast("num_return_sequences", NumReturnSequences, 1);
        AtLeast("top_k", TopK, 0);
        AtLeast("no_repeat_ngram_size", NoRepeatNgramSize, 0);
        Above0("temperature", Temperature, "to switch sampling off, set do_sample to false");
        Above0("repetition_penalty", RepetitionPenalty, "1 switches it off");
        Within("top_p", TopP, 0, 1);
        Within("min_p", MinP ?? 0, 0, 1);
        Within("epsilon_cutoff", EpsilonCutoff, 0, 1);
        Within("eta_cutoff", EtaCutoff, 0, 1);
        if (!(TypicalP is > 0 and <= 1))
            throw Refused("typical_p", TypicalP, "above 0 and at most 1");
        if (!double.IsFinite(LengthPenalty))
            throw Refused("length_penalty", LengthPenalty, "a finite number");
        if (ExponentialDecayLengthPenalty is { } decay && !(decay.StartIndex >= 0 && decay.DecayFactor > 0 && double.IsFinite(decay.DecayFactor)))
            throw Refused("exponential_decay_length_penalty", decay, "a start of at least 0 and a positive factor");

        Tokens("suppress_tokens", SuppressTokens);
        Tokens("begin_suppress_tokens", BeginSuppressTokens);
        Tokens("eos_token_id", EosTokenId);
        Tokens("forced_eos_token_id", ForcedEosTokenId);
        Tokens("forced_bos_token_id", ForcedBosTokenId is { } bos ? [bos] : null);
        foreach (var word in BadWordsIds ?? [])
            NonEmpty("bad_words_ids", word);
        foreach (var sequence in SequenceBias ?? [])
            NonEmpty("sequence_bias", sequence.Tokens);
        if (StopStrings is { } stops && (stops.Count == 0 || stops.Any(string.IsNullOrEmpty)))
            throw Refused("stop_strings", "an empty text or list", "texts of at least one character, or null");

        ValidateCombinations();
    }

    /// <summary>Checks that every token that an option names is in the vocabulary: none may reach an index unchecked.</summary>
    internal void ValidateTokens(int vocabularySize)
    {
        InVocabulary("suppress_tokens", SuppressTokens);
        InVocabulary("begin_suppress_tokens", BeginSuppressTokens);
        InVocabulary("forced_eos_token_id", ForcedEosTokenId);
        InVocabulary("forced_bos_token_id", ForcedBosTokenId is { } bos ? [bos] : null);
        foreach (var word in BadWordsIds ?? [])
            InVocabulary("bad_words_ids", word);
        foreach (var sequence in SequenceBias ?? [])
            InVocabulary("sequence_bias", sequence.Tokens);
        // An end of sequence that is not in the vocabulary never comes up; it only matters to what looks at its score or writes it.
        if (MinLength > 0 || MinNewTokens > 0 || ExponentialDecayLengthPenalty is not null || NumBeams > 1)
            InVocabulary("eos_token_id", EosTokenId);

        void InVocabulary(string field, IReadOnlyList<int>? tokens)
        {
            foreach (var token in tokens ?? [])
            {
                if ((uint)token >= (uint)vocabularySize)
                    throw Refused(field, token, $"a token of this model's vocabulary, 0 to {vocabularySize - 1}");
            }
        }
    }

    private void ValidateCombinations()
    {
        if (NumReturnSequences > 1 && NumBeams == 1 && !DoSample)
            throw Refused("num_return_sequences", NumReturnSequences, "1 when neither sampling nor beams are on: all sequences would be the same");
        if (NumBeams > 1 && NumReturnSequences > NumBeams)
            throw Refused("num_return_sequences", NumReturnSequences, $"at most num_beams, {NumBeams}");
        if (NumBeams > 1 && StopStrings is not null)
            throw Refused("stop_strings", "a list together with num_beams", "no stop strings in a beam search: they are watched for in one sequence");
        foreach (var (field, off) in Unsupported)
        {
            if (AdditionalProperties.TryGetValue(field, out var value) && value.ValueKind != JsonValueKind.Null
                && !(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number == off))
                throw Refused(field, value, $"{off} or absent: this option is not supported");
        }

        foreach (var field in new[] { "force_words_ids", "constraints", "forced_decoder_ids" })
        {
            if (AdditionalProperties.TryGetValue(field, out var value) && value.ValueKind != JsonValueKind.Null)
                throw Refused(field, value.ValueKind, "null or absent: this option is not supported");
        }
    }

    private static void AtLeast(string field, int value, int least)
    {
        if (value < least)
            throw Refused(field, value, $"at least {least}");
    }

    private static void Above0(string field, double value, string hint)
    {
        if (!(value > 0 && double.IsFinite((float)value) && (float)value > 0))
            throw Refused(field, value, $"a finite number above 0; {hint}");
    }

    private static void Within(string field, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
            throw Refused(field, value, $"from {least} to {most}");
    }

    private static void Tokens(string field, IReadOnlyList<int>? tokens)
    {
        foreach (var token in tokens ?? [])
        {
            if (token < 0)
                throw Refused(field, token, "a token id, at least 0");
        }
    }

    private static void NonEmpty(string field, IReadOnlyList<int> tokens)
    {
        if (tokens.Count == 0)
            throw Refused(field, "an empty sequence", "sequences of at least one token");
        Tokens(field, tokens);
    }

    private static GenerationConfigException Refused(string field, object found, string expected) =>
        new(field, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"The generation option '{field}' is {found}; it must be {expected}."));
}
