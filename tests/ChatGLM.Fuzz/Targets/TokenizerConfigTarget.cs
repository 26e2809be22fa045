using ChatGLM.Tokenizers;

namespace ChatGLM.Fuzz.Targets;

internal static class TokenizerConfigTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"name_or_path": "THUDM/chatglm-6b", "bos_token": "<sop>", "do_lower_case": false, "num_image_tokens": 0, "eos_token": {"__type": "AddedToken", "content": "<eop>"}}"""u8.ToArray(),
        "{}"u8.ToArray(),
    ];

    public static void Read(byte[] bytes)
    {
        var config = TokenizerConfig.Parse("fuzz", bytes);
        config.GetString("name_or_path");
        config.GetBool("do_lower_case", standard: false);
        config.GetInt("num_image_tokens", standard: 0, min: 0, max: 1 << 20);
    }
}
