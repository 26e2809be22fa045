using System.Text;
using ChatGLM.Fuzz.Files;
using ChatGLM.Models;
using ChatGLM.Peft;

namespace ChatGLM.Fuzz.Targets;

/// <summary>An adapter's two files: what they ask for is put on a model small enough for thousands of tries.</summary>
internal static class AdapterTargets
{
    private static readonly ChatGLM2Config Tiny = new()
    {
        PaddedVocabSize = 24, HiddenSize = 16, NumAttentionHeads = 2, KvChannels = 8, NumLayers = 1, FfnHiddenSize = 24, SeqLength = 32, MultiQueryGroupNum = 1,
    };

    private const string GoodConfig = """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["query_key_value"], "modules_to_save": ["final_layernorm"], "task_type": "CAUSAL_LM"}""";

    public static IReadOnlyList<byte[]> ConfigSeeds { get; } =
    [
        Encoding.UTF8.GetBytes(GoodConfig),
        """{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": "all-linear", "bias": "lora_only", "use_rslora": true, "rank_pattern": {"dense": 4}, "alpha_pattern": {"^.*dense$": 3.5}, "unknown": [1, {"a": null}]}"""u8.ToArray(),
        """{"peft_type": "LORA", "r": 4, "target_modules": ".*self_attention\\.(dense|query_key_value)", "init_lora_weights": "pissa_niter_2", "use_dora": true, "revision": null}"""u8.ToArray(),
        """{"peft_type": "LORA", "r": 2, "target_modules": ["dense", "word_embeddings"], "layers_to_transform": [0], "layers_pattern": "layers", "init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": 2}}"""u8.ToArray(),
    ];

    public static IReadOnlyList<byte[]> WeightSeeds { get; } = [.. MakeWeights()];

    /// <summary>Reads a configuration, writes it again, and puts what it asks for on a model.</summary>
    public static void ReadConfig(byte[] bytes)
    {
        var config = PeftConfig.FromJson(bytes, "fuzz");
        PeftConfig.FromJson(Encoding.UTF8.GetBytes(config.ToJson()), "written");
        using var model = AutoModel.FromConfig(Tiny);
        model.GetPeftModel(config).Unload();
    }

    /// <summary>Loads a weight file beside a good configuration.</summary>
    public static void ReadWeights(byte[] bytes)
    {
        var folder = Directory.CreateTempSubdirectory("chatglm-fuzz-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "adapter_config.json"), GoodConfig);
            File.WriteAllBytes(Path.Combine(folder, "adapter_model.safetensors"), bytes);
            using var model = AutoModel.FromConfig(Tiny);
            PeftModel.FromPretrained(model, folder).Unload();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static byte[] ConfigGrammar(FuzzRandom random) => JsonFields.Make(
        random,
        [
            "r", "lora_alpha", "lora_dropout", "target_modules", "fan_in_fan_out", "bias", "modules_to_save", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
            "use_rslora", "use_dora", "layer_replication", "loftq_config", "task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping", "unknown_field",
        ],
        random.Of(["\"peft_type\":\"LORA\"", "\"peft_type\":\"LORA\",\"target_modules\":[\"dense\"]", "\"peft_type\":\"LORA\",\"target_modules\":\"(a+)+$\"", ""]));

    private static IEnumerable<byte[]> MakeWeights()
    {
        const string Layer = "base_model.model.transformer.encoder.layers.0.self_attention.query_key_value";
        const string Norm = "base_model.model.transformer.encoder.final_layernorm.weight";
        // A is [2, 16], B [32, 2], the norm [16].
        yield return SafetensorsFiles.Make(
            $$$"""{"{{{Layer}}}.lora_A.weight":{"dtype":"F32","shape":[2,16],"data_offsets":[0,128]},"{{{Layer}}}.lora_B.weight":{"dtype":"F32","shape":[32,2],"data_offsets":[128,384]},"{{{Norm}}}":{"dtype":"F32","shape":[16],"data_offsets":[384,448]}}""", 448);
        yield return SafetensorsFiles.Make(
            $$$"""{"__metadata__":{"format":"pt"},"{{{Layer}}}.lora_A.weight":{"dtype":"BF16","shape":[2,16],"data_offsets":[0,64]},"{{{Layer}}}.lora_B.weight":{"dtype":"F16","shape":[32,2],"data_offsets":[64,192]},"{{{Norm}}}":{"dtype":"F32","shape":[16],"data_offsets":[192,256]}}""", 256);
    }
}
