namespace ChatGLM.Fuzz.Targets;

internal static class ModelConfigTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"model_type": "chatglm", "architectures": ["ChatGLMModel"], "auto_map": {"AutoModel": "m.ChatGLMForConditionalGeneration"}, "hidden_size": 64, "inner_hidden_size": 256, "num_layers": 3, "num_attention_heads": 4, "max_sequence_length": 256, "position_encoding_2d": true, "vocab_size": 720, "torch_dtype": "float16", "pre_seq_len": 4, "prefix_projection": [true], "eos_token_id": [1, 2]}"""u8.ToArray(),
        """{"model_type": "chatglm", "architectures": ["ChatGLMModel"], "hidden_size": 64, "ffn_hidden_size": 172, "kv_channels": 16, "multi_query_attention": true, "multi_query_group_num": 2, "padded_vocab_size": 640, "seq_length": 256, "num_attention_heads": 4, "layernorm_epsilon": 1e-5, "rope_ratio": 16, "id2label": {"0": "a", "1": "b"}, "classifier_dropout": null}"""u8.ToArray(),
    ];

    public static void Read(byte[] bytes) => AutoConfig.Parse(bytes, "fuzz").ToGenerationConfig();
}
