using ChatGLM.Fuzz.Targets;

namespace ChatGLM.Fuzz;

/// <summary>Every reader of untrusted bytes. A new one is one line here: its name, how to read, good files to damage, and a grammar if it has one.</summary>
public static class FuzzTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("safetensors", SafetensorsTarget.Read, SafetensorsTarget.Seeds, SafetensorsTarget.Grammar),
        new("gguf", GgufTarget.Read, GgufTarget.Seeds, GgufTarget.Grammar),
        new("shard-index", ShardIndexTarget.Read, ShardIndexTarget.Seeds, ShardIndexTarget.Grammar),
        new("zip", ZipTarget.Read, ZipTarget.Seeds, ZipTarget.Grammar),
        new("pickle", PickleTarget.Read, PickleTarget.Seeds, PickleTarget.Grammar),
        new("torch-legacy", TorchLegacyTarget.Read, TorchLegacyTarget.Seeds, TorchLegacyTarget.Grammar),
        new("sentencepiece", SentencePieceTarget.Read, SentencePieceTarget.Seeds, SentencePieceTarget.Grammar),
        new("model-config", ModelConfigTarget.Read, ModelConfigTarget.Seeds, ModelConfigTarget.Grammar),
        new("tokenizer-config", TokenizerConfigTarget.Read, TokenizerConfigTarget.Seeds),
        new("generation-config", GenerationConfigTarget.Read, GenerationConfigTarget.Seeds, GenerationConfigTarget.Grammar),
        new("adapter-config", AdapterTargets.ReadConfig, AdapterTargets.ConfigSeeds, AdapterTargets.ConfigGrammar),
        new("adapter-weights", AdapterTargets.ReadWeights, AdapterTargets.WeightSeeds),
    ];
}
