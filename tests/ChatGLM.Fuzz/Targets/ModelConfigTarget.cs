namespace ChatGLM.Fuzz.Targets;

internal static class ModelConfigTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"model_type": "chatglm", "architectures": ["ChatGLMModel"], "auto_map": {"AutoModel": "m.ChatGLMForConditionalGeneration"}, "hidden_size": 64, "inner_hidden_size": 256, "num_layers": 3, "num_attention_heads": 4, "max_sequence_length": 256, "position_encoding_2d": true, "vocab_size": 720, "torch_dtype": "float16", "pre_seq_len": 4, "prefix_projection": [true], "eos_token_id": [1, 2]}"""u8.ToArray(),
        """{"model_type": "chatglm", "architectures": ["ChatGLMModel"], "hidden_size": 64, "ffn_hidden_size": 172, "kv_channels": 16, "multi_query_attention": true, "multi_query_group_num": 2, "padded_vocab_size": 640, "seq_length": 256, "num_attention_heads": 4, "layernorm_epsilon": 1e-5, "rope_ratio": 16, "id2label": {"0": "a", "1": "b"}, "classifier_dropout": null}"""u8.ToArray(),
    ];

    public static void Read(byte[] bytes) => AutoConfig.Parse(bytes, "fuzz").ToGenerationConfig();

    public static byte[] Grammar(FuzzRandom random) => JsonFields.Make(
        random,
        [
            "model_type", "architectures", "auto_map", "torch_dtype", "num_layers", "hidden_size", "num_attention_heads", "vocab_size", "inner_hidden_size", "max_sequence_length",
            "layernorm_epsilon", "position_encoding_2d", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id", "gmask_token_id", "pre_seq_len", "prefix_projection",
            "quantization_bit", "padded_vocab_size", "ffn_hidden_size", "kv_channels", "seq_length", "multi_query_attention", "multi_query_group_num", "rmsnorm", "rope_ratio",
            "hidden_dropout", "attention_dropout", "classifier_dropout", "num_labels", "problem_type", "tie_word_embeddings", "_name_or_path", "unknown_field",
        ],
        random.Of(["\"model_type\":\"chatglm\",\"inner_hidden_size\":16384", "\"model_type\":\"chatglm\",\"ffn_hidden_size\":13696,\"kv_channels\":128", ""]));
}
