using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>A snapshot folder with random weights over the project's own small tokenizers: what it says is noise, how it says it is not.</summary>
internal sealed class TinySnapshot : IDisposable
{
    public TinySnapshot(ChatGLMGeneration generation, ulong seed = 7)
    {
        Directory.CreateDirectory(Path);
        var isFirst = generation == ChatGLMGeneration.ChatGLM6B;
        var data = System.IO.Path.Combine(RepositoryRoot(), "tests", "ChatGLM.Core.Tests", "Data", isFirst ? "unigram.model" : "bpe.model");
        File.Copy(data, System.IO.Path.Combine(Path, isFirst ? "ice_text.model" : "tokenizer.model"));
        var name = generation switch { ChatGLMGeneration.ChatGLM6B => "chatglm-6b", ChatGLMGeneration.ChatGLM2 => "chatglm2-6b", _ => "chatglm3-6b" };
        File.WriteAllText(
            System.IO.Path.Combine(Path, "tokenizer_config.json"),
            $$"""{"name_or_path": "THUDM/{{name}}", "tokenizer_class": "ChatGLMTokenizer", "num_image_tokens": 0}""");
        var tokenizer = AutoTokenizer.FromPretrained(Path);
        ChatGLMConfig config = isFirst
            ? new ChatGLM6BConfig
            {
                VocabSize = tokenizer.VocabSize + 8, HiddenSize = 32, NumAttentionHeads = 2, NumLayers = 2, InnerHiddenSize = 64, MaxSequenceLength = 1024,
                BosTokenId = tokenizer.SopTokenId, EosTokenIds = [tokenizer.EopTokenId], MaskTokenId = tokenizer.MaskTokenId, GMaskTokenId = tokenizer.GMaskTokenId,
                PadTokenId = tokenizer.PadTokenId,
            }
            : new ChatGLM2Config
            {
                PaddedVocabSize = tokenizer.VocabSize + 8, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 1024,
                MultiQueryGroupNum = 2,
            };
        using var model = AutoModel.FromConfig(config, new ModelOptions { Seed = seed });
        model.GenerationConfig = model.GenerationConfig with { EosTokenId = [isFirst ? tokenizer.EopTokenId : tokenizer.EosTokenId] }; // as the published snapshots have it
        model.SavePretrained(Path);
    }

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"chatglm-test-{Guid.NewGuid():N}");

    public ChatGLMOptions Options(Action<ChatGLMOptions>? configure = null)
    {
        var options = new ChatGLMOptions { Model = Path, ModelId = "tiny", MaxOutputTokens = 24 };
        configure?.Invoke(options);
        return options;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public static string RepositoryRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
