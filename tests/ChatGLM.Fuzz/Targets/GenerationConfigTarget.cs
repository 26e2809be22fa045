using ChatGLM.Generation;

namespace ChatGLM.Fuzz.Targets;

internal static class GenerationConfigTarget
{
    private static readonly string[] Names =
    [
        "max_length", "max_new_tokens", "min_length", "min_new_tokens", "do_sample", "num_beams", "temperature", "top_k", "top_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
        "repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id", "eos_token_id",
        "pad_token_id", "num_return_sequences", "length_penalty", "early_stopping", "exponential_decay_length_penalty", "sequence_bias", "_from_model_config", "unknown_field",
    ];

    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"_from_model_config": true, "bos_token_id": 1, "eos_token_id": [2, 3], "top_p": 0.8, "temperature": 0.8, "do_sample": true, "transformers_version": "4.33.0"}"""u8.ToArray(),
        """{"num_beams": 3, "early_stopping": "never", "bad_words_ids": [[5, 6], [7]], "exponential_decay_length_penalty": [5, 1.1]}"""u8.ToArray(),
    ];

    public static void Read(byte[] bytes) => GenerationConfig.FromJson(bytes, "fuzz").ToJson();

    public static byte[] Grammar(FuzzRandom random) => JsonFields.Make(random, Names, "");
}
