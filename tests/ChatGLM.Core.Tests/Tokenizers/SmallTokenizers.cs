using System.Text.Json;
using ChatGLM.Tokenizers;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Core.Tests.Tokenizers;

/// <summary>
/// The project's own small models (see tools/MakeTokenizer), and the three tokenizers over them. What the SentencePiece library made of some
/// strings with each is recorded beside it.
/// </summary>
internal static class SmallTokenizers
{
    private static readonly Lazy<ChatGLMTokenizer> Glm1 = new(() => Open(ChatGLMGeneration.ChatGLM6B));
    private static readonly Lazy<ChatGLMTokenizer> Glm2 = new(() => Open(ChatGLMGeneration.ChatGLM2));
    private static readonly Lazy<ChatGLMTokenizer> Glm3 = new(() => Open(ChatGLMGeneration.ChatGLM3));

    public static TheoryData<ChatGLMGeneration> Generations => [ChatGLMGeneration.ChatGLM6B, ChatGLMGeneration.ChatGLM2, ChatGLMGeneration.ChatGLM3];

    public static ChatGLMTokenizer Get(ChatGLMGeneration generation) => generation switch
    {
        ChatGLMGeneration.ChatGLM6B => Glm1.Value,
        ChatGLMGeneration.ChatGLM2 => Glm2.Value,
        _ => Glm3.Value,
    };

    public static string DataFolder
    {
        get
        {
            for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            {
                if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                    return Path.Combine(at.FullName, "tests", "ChatGLM.Core.Tests", "Data");
            }

            throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
        }
    }

    public static byte[] ModelBytes(string name) => File.ReadAllBytes(Path.Combine(DataFolder, name + ".model"));

    public static SentencePieceModel Model(string name) => SentencePieceModel.Parse(ModelBytes(name));

    public static JsonElement Recorded(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(DataFolder, name + ".json")));
        return document.RootElement.Clone();
    }

    /// <summary>Writes a snapshot's tokenizer files into a folder.</summary>
    public static void WriteSnapshot(string folder, ChatGLMGeneration generation, string extra = "")
    {
        var glm1 = generation == ChatGLMGeneration.ChatGLM6B;
        File.WriteAllBytes(Path.Combine(folder, glm1 ? "ice_text.model" : "tokenizer.model"), ModelBytes(glm1 ? "unigram" : "bpe"));
        var name = generation switch { ChatGLMGeneration.ChatGLM6B => "chatglm-6b", ChatGLMGeneration.ChatGLM2 => "chatglm2-6b", _ => "chatglm3-6b" };
        File.WriteAllText(
            Path.Combine(folder, "tokenizer_config.json"),
            $$"""{"name_or_path": "THUDM/{{name}}", "tokenizer_class": "ChatGLMTokenizer"{{(glm1 && !extra.Contains("num_image") ? ", \"num_image_tokens\": 0" : "")}}{{extra}}}""");
    }

    public static ChatGLMTokenizer Open(ChatGLMGeneration generation, string extra = "", TokenizerOptions? options = null)
    {
        var folder = Directory.CreateTempSubdirectory("tokenizer");
        try
        {
            WriteSnapshot(folder.FullName, generation, extra);
            return AutoTokenizer.FromPretrained(folder.FullName, options);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A text of everything: words, spaces, any code point, lone surrogates, special tokens' names.</summary>
    public static string RandomText(Random random, int length)
    {
        string[] words = ["你好", "数据", "learn", "ing", " ", "   ", "\n", "\t", "，", "。", " . ", " ' s", " n't", "<n>", "<|blank_3|>", "[MASK]", "<sop>", "[gMASK]",
            "<|user|>", "<", "|", ">", "▁", "\0", "\uD800", "\uDC00", "\uE000", "e\u0301", "\uFEFF", "😀", "１", "ﬁ"];
        var text = new System.Text.StringBuilder();
        while (text.Length < length)
        {
            if (random.Next(3) == 0)
                text.Append((char)random.Next(0x10000));
            else
                text.Append(words[random.Next(words.Length)]);
        }

        return text.ToString();
    }
}
