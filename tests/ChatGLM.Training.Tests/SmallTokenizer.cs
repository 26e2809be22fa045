using ChatGLM.Tokenizers;

namespace ChatGLM.Training.Tests;

/// <summary>The project's own small vocabularies as the tokenizer of each generation.</summary>
internal static class SmallTokenizer
{
    public static string RepositoryRoot { get; } = FindRoot();

    public static ChatGLMTokenizer Open(ChatGLMGeneration generation)
    {
        using var folder = new TemporaryFolder();
        var isFirst = generation == ChatGLMGeneration.ChatGLM6B;
        File.Copy(
            Path.Combine(RepositoryRoot, "tests", "ChatGLM.Core.Tests", "Data", isFirst ? "unigram.model" : "bpe.model"), folder[isFirst ? "ice_text.model" : "tokenizer.model"]);
        File.WriteAllText(folder["tokenizer_config.json"], isFirst ? """{"tokenizer_class": "ChatGLMTokenizer", "num_image_tokens": 0}""" : """{"tokenizer_class": "ChatGLMTokenizer"}""");
        return AutoTokenizer.FromPretrained(folder.Path, new TokenizerOptions { Generation = generation });
    }

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
