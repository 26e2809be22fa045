using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>The files that a tokenizer was opened from, kept as they are so that they can be saved again.</summary>
internal sealed class TokenizerSource
{
    public const string ConfigFile = "tokenizer_config.json";
    public const string PythonFile = "tokenization_chatglm.py";
    public const string Glm1ModelFile = "ice_text.model";
    public const string ModelFile = "tokenizer.model";

    private readonly byte[] _modelBytes;
    private readonly byte[]? _python;

    public TokenizerSource(string folder, string modelPath, byte[] modelBytes, TokenizerConfig config, byte[]? python)
    {
        ModelPath = modelPath;
        Config = config;
        NameOrPath = config.GetString("name_or_path") is { Length: > 0 } name ? name : folder;
        _modelBytes = modelBytes;
        _python = python;
        try
        {
            Model = SentencePieceModel.Parse(modelBytes);
        }
        catch (TokenizerException e)
        {
            throw new TokenizerException($"{modelPath}: {e.Message}", e);
        }
    }

    public SentencePieceModel Model { get; }

    public TokenizerConfig Config { get; }

    public string ModelPath { get; }

    public string NameOrPath { get; }

    /// <summary>A hash of what the ids follow from.</summary>
    public string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_modelBytes);
        hash.AppendData(Encoding.UTF8.GetBytes(Config.Json.GetRawText()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public TokenizerException Error(string message) => new($"{ModelPath}: {message}");

    public void Save(string folder, ChatGLMTokenizer tokenizer)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Directory.CreateDirectory(folder);
        Write(folder, tokenizer is ChatGLM6BTokenizer ? Glm1ModelFile : ModelFile, _modelBytes);
        if (_python is not null)
            Write(folder, PythonFile, _python);
        Write(folder, ConfigFile, WriteConfig(tokenizer));
    }

    /// <summary>The configuration as it was, with what was given in code or left to the folder's name made explicit.</summary>
    private byte[] WriteConfig(ChatGLMTokenizer tokenizer)
    {
        var published = tokenizer.Generation switch
        {
            ChatGLMGeneration.ChatGLM6B => "THUDM/chatglm-6b",
            ChatGLMGeneration.ChatGLM2 => "THUDM/chatglm2-6b",
            _ => "THUDM/chatglm3-6b",
        };
        var named = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B || GenerationDetector.FromConfig(Config) == tokenizer.Generation;
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions
        {
            Indented = true,
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        }))
        {
            writer.WriteStartObject();
            writer.WriteString("name_or_path", named && Config.GetString("name_or_path") is { } name ? name : published);
            foreach (var property in Config.Json.EnumerateObject())
            {
                if (property.Name is not "name_or_path" and not "tokenizer_class" and not "num_image_tokens")
                    property.WriteTo(writer);
            }

            writer.WriteString("tokenizer_class", "ChatGLMTokenizer");
            if (tokenizer is ChatGLM6BTokenizer glm1)
                writer.WriteNumber("num_image_tokens", glm1.NumImageTokens);
            if (!Config.Json.TryGetProperty("auto_map", out _))
            {
                writer.WriteStartObject("auto_map");
                writer.WriteStartArray("AutoTokenizer");
                writer.WriteStringValue("tokenization_chatglm.ChatGLMTokenizer");
                writer.WriteNullValue();
                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(string folder, string name, byte[] bytes) => AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(bytes));
}
