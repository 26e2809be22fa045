using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Hub;
using ChatGLM.Snapshots;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>Opens the tokenizer of a snapshot, of whichever generation it is.</summary>
public static class AutoTokenizer
{
    private const int MaxConfigBytes = 16 << 20;

    /// <summary>Opens the tokenizer of a snapshot, or the one that a GGUF file holds.</summary>
    /// <param name="pathOrRepo">A <c>.gguf</c> file, a folder with <c>tokenizer_config.json</c> and <c>ice_text.model</c> (6B) or <c>tokenizer.model</c> (2 and 3), or a repo id such as <c>THUDM/chatglm2-6b</c>,
    /// whose tokenizer is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="SnapshotNotFoundException">There is no such folder, or nothing may be downloaded and the cache does not hold the repo.</exception>
    /// <exception cref="HubException">The repo cannot be downloaded; the derived type says why.</exception>
    /// <exception cref="TokenizerException">A file is missing or damaged, or the tokenizer is of a kind that is not known.</exception>
    public static ChatGLMTokenizer FromPretrained(string pathOrRepo, TokenizerOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new TokenizerOptions();
        return FromFolder(
            SnapshotResolver.Resolve(
                pathOrRepo, options.Revision, options.CacheDir, options.LocalFilesOnly, options.Hub, SnapshotParts.Tokenizer, CancellationToken.None),
            options);
    }

    /// <summary>Does what <see cref="FromPretrained"/> does without holding the caller's thread while files are downloaded.</summary>
    /// <param name="pathOrRepo">A folder, or a repo id.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Stops the download.</param>
    public static async Task<ChatGLMTokenizer> FromPretrainedAsync(
        string pathOrRepo, TokenizerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new TokenizerOptions();
        return FromFolder(
            await SnapshotResolver.ResolveAsync(
                pathOrRepo, options.Revision, options.CacheDir, options.LocalFilesOnly, options.Hub, SnapshotParts.Tokenizer, cancellationToken).ConfigureAwait(false),
            options);
    }

    private static ChatGLMTokenizer FromFolder(string path, TokenizerOptions options)
    {
        if (GgufFile.IsAt(path))
            return GgufTokenizer.Open(path, options);
        var configPath = Path.Combine(path, TokenizerSource.ConfigFile);
        var config = TokenizerConfig.Parse(configPath, ReadRequired(configPath, MaxConfigBytes));
        if (options.Generation is null)
            CheckClass(config);

        var python = ReadOptional(Path.Combine(path, TokenizerSource.PythonFile), MaxConfigBytes);
        var generation = options.Generation ?? Detect(path, config, python);
        var modelPath = ModelPathOf(path, generation);
        var source = new TokenizerSource(path, modelPath, ReadRequired(modelPath, SentencePieceModel.MaxFileBytes), config, python);
        return generation switch
        {
            ChatGLMGeneration.ChatGLM6B => new ChatGLM6BTokenizer(source),
            ChatGLMGeneration.ChatGLM2 => new ChatGLM2Tokenizer(source),
            ChatGLMGeneration.ChatGLM3 => new ChatGLM3Tokenizer(source, options.EncodeSpecialTokens),
            _ => throw new ArgumentOutOfRangeException(nameof(options), generation, "Generation is none of those that exist."),
        };
    }

    private static ChatGLMGeneration Detect(string path, TokenizerConfig config, byte[]? python)
    {
        var hasGlm1 = File.Exists(Path.Combine(path, TokenizerSource.Glm1ModelFile));
        var hasOther = File.Exists(Path.Combine(path, TokenizerSource.ModelFile));
        if (hasGlm1)
            return ChatGLMGeneration.ChatGLM6B;
        if (!hasOther)
        {
            throw new TokenizerException(
                $"{path}: there is no tokenizer model, expected {TokenizerSource.Glm1ModelFile} or {TokenizerSource.ModelFile}. Download the snapshot again.");
        }

        var modelConfigPath = Path.Combine(path, "config.json");
        var modelConfig = ReadOptional(modelConfigPath, MaxConfigBytes) is { } bytes ? TokenizerConfig.Parse(modelConfigPath, bytes) : null;
        return GenerationDetector.FromFolder(config, python, modelConfig, SnapshotLocator.NameOf(path)) ?? throw new TokenizerException(
            $"{config.Path}: this does not tell ChatGLM2 from ChatGLM3: expected 'chatglm2' or 'chatglm3' in name_or_path, found "
            + $"'{config.GetString("name_or_path")}'. Set TokenizerOptions.Generation.");
    }

    private static string ModelPathOf(string path, ChatGLMGeneration generation)
    {
        var standard = Path.Combine(path, generation == ChatGLMGeneration.ChatGLM6B ? TokenizerSource.Glm1ModelFile : TokenizerSource.ModelFile);
        var other = Path.Combine(path, generation == ChatGLMGeneration.ChatGLM6B ? TokenizerSource.ModelFile : TokenizerSource.Glm1ModelFile);
        return !File.Exists(standard) && File.Exists(other) ? other : standard;
    }

    private static void CheckClass(TokenizerConfig config)
    {
        var found = config.GetString("tokenizer_class");
        if (found is null && config.Json.TryGetProperty("auto_map", out var map) && map.ValueKind == JsonValueKind.Object
            && map.TryGetProperty("AutoTokenizer", out var names) && names.ValueKind == JsonValueKind.Array && names.GetArrayLength() > 0
            && names[0].ValueKind == JsonValueKind.String)
        {
            found = names[0].GetString()!.Split('.')[^1];
        }

        if (found is not null and not "ChatGLMTokenizer")
        {
            throw new TokenizerException(
                $"{config.Path}: tokenizer_class '{found}' is not supported: expected ChatGLMTokenizer (ChatGLM-6B, ChatGLM2-6B, ChatGLM3-6B). "
                + "Set TokenizerOptions.Generation if it is one of these all the same.");
        }
    }

    private static byte[]? ReadOptional(string path, int maxBytes) => File.Exists(path) ? ReadRequired(path, maxBytes) : null;

    private static byte[] ReadRequired(string path, int maxBytes) =>
        SnapshotFile.Read(path, maxBytes, (problem, cause) => new TokenizerException($"{path}: {problem}", cause));
}
