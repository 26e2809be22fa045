using System.Globalization;
using System.Text;
using ChatGLM.Formats;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>
/// The tokenizer that a GGUF file holds: pieces, scores and types of the SentencePiece model, with the special tokens behind them. They are put back into a model file, which is what the tokenizers here are made from, and
/// what a converted snapshot needs.
/// </summary>
internal static class GgufTokenizer
{
    private const int MaxTokens = 1 << 20;
    private const int MaxTokenBytes = 512;
    private const int MaxCharsMapBytes = 1 << 24;
    private const string ModelKey = "tokenizer.ggml.model";

    private static readonly string[] Appended = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];
    private static readonly string[] Roles = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];

    /// <summary>Opens the tokenizer of a file.</summary>
    /// <exception cref="TokenizerException">The file has no tokenizer, or one of another kind.</exception>
    /// <exception cref="CheckpointException">The file is damaged.</exception>
    public static ChatGLMTokenizer Open(string path, TokenizerOptions options)
    {
        using var region = ByteRegion.Map(path);
        return Open(GgufFile.Open(region), options);
    }

    public static ChatGLMTokenizer Open(GgufFile file, TokenizerOptions options)
    {
        var (model, config, detected) = Read(file);
        var source = new TokenizerSource(file.Path, file.Path, model, TokenizerConfig.Parse(file.Path, config), python: null);
        return (options.Generation ?? detected) switch
        {
            ChatGLMGeneration.ChatGLM2 => new ChatGLM2Tokenizer(source),
            ChatGLMGeneration.ChatGLM3 => new ChatGLM3Tokenizer(source, options.EncodeSpecialTokens),
            var other => throw new TokenizerException($"{file.Path}: a GGUF file holds the tokenizer of ChatGLM2 or ChatGLM3, not of {other}. Leave TokenizerOptions.Generation empty."),
        };
    }

    /// <summary>The tokenizer's files of a snapshot; none where the file's tokenizer is of another kind, as GLM-4's is.</summary>
    public static IReadOnlyList<(string Name, byte[] Bytes)> Files(string path)
    {
        using var region = ByteRegion.Map(path);
        var file = GgufFile.Open(region);
        if (file.FindText(ModelKey) != "llama")
            return [];
        var (model, config, _) = Read(file);
        return [(TokenizerSource.ModelFile, model), (TokenizerSource.ConfigFile, config)];
    }

    private static (byte[] Model, byte[] Config, ChatGLMGeneration Generation) Read(GgufFile file)
    {
        if (file.FindText(ModelKey) is var kind && kind != "llama")
        {
            throw new TokenizerException($"{file.Path}: '{ModelKey}' is {(kind is null ? "missing" : $"'{kind}'")}; expected 'llama', SentencePiece's kind, which ChatGLM2 and ChatGLM3 have (that of GLM-4 is not read). "
                + "Open the tokenizer of the original snapshot instead.");
        }

        var tokens = file.FindStrings("tokenizer.ggml.tokens", MaxTokens, MaxTokenBytes) ?? throw Missing("tokenizer.ggml.tokens");
        var scores = file.FindNumbers<float>("tokenizer.ggml.scores", GgufType.Float32, MaxTokens) ?? throw Missing("tokenizer.ggml.scores");
        var types = file.FindNumbers<int>("tokenizer.ggml.token_type", GgufType.Int32, MaxTokens) ?? throw Missing("tokenizer.ggml.token_type");
        if (scores.Length != tokens.Length || types.Length != tokens.Length)
            throw new TokenizerException($"{file.Path}: there are {tokens.Length} tokens, but {scores.Length} scores and {types.Length} types. The file is damaged.");
        var count = CountPieces(file, tokens);
        var pieces = new (byte[] Piece, float Score, PieceType Type)[count];
        for (var id = 0; id < count; id++)
        {
            if (types[id] is < 1 or > 6)
                throw new TokenizerException(string.Create(CultureInfo.InvariantCulture, $"{file.Path}: token {id} is of the type {types[id]}, expected 1 to 6. The file is damaged."));
            pieces[id] = (SentencePieceName(tokens[id], (PieceType)types[id]), scores[id], (PieceType)types[id]);
        }

        var normalizer = new NormalizerSpec(
            null,
            AddDummyPrefix: file.FindBool("tokenizer.ggml.add_space_prefix") ?? true,
            RemoveExtraWhitespaces: file.FindBool("tokenizer.ggml.remove_extra_whitespaces") ?? false);
        var model = ModelFileWriter.Write(pieces, normalizer, CharsMap(file));
        var isThird = Enumerable.Range(0, Roles.Length).All(i => count + Appended.Length + i < tokens.Length && Is(tokens[count + Appended.Length + i], Roles[i]));
        var config = $$"""
            {
              "name_or_path": "THUDM/chatglm{{(isThird ? 3 : 2)}}-6b",
              "remove_space": false,
              "do_lower_case": false,
              "tokenizer_class": "ChatGLMTokenizer",
              "auto_map": {
                "AutoTokenizer": [
                  "tokenization_chatglm.ChatGLMTokenizer",
                  null
                ]
              }
            }
            """;
        return (model, Encoding.UTF8.GetBytes(config), isThird ? ChatGLMGeneration.ChatGLM3 : ChatGLMGeneration.ChatGLM2);

        TokenizerException Missing(string key) => new($"{file.Path}: there is no '{key}' in the file. Open the tokenizer of the original snapshot instead.");
    }

    /// <summary>The pieces come first; where the special tokens begin, they end.</summary>
    private static int CountPieces(GgufFile file, byte[][] tokens)
    {
        for (var at = tokens.Length - Appended.Length; at > 0; at--)
        {
            if (Enumerable.Range(0, Appended.Length).All(i => Is(tokens[at + i], Appended[i])))
                return at;
        }

        throw new TokenizerException($"{file.Path}: the tokens do not have {string.Join(", ", Appended)} one after the other, as the vocabularies of ChatGLM2 and ChatGLM3 do. Open the tokenizer of the original snapshot instead.");
    }

    private static bool Is(byte[] token, string text) => token.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(text));

    /// <summary>llama.cpp's converter calls start and end of a sentence by the names that the Python tokenizer has for them.</summary>
    private static byte[] SentencePieceName(byte[] token, PieceType type) => type != PieceType.Control ? token
        : Is(token, "<bos>") ? "<s>"u8.ToArray()
        : Is(token, "<eos>") ? "</s>"u8.ToArray()
        : token;

    private static byte[]? CharsMap(GgufFile file)
    {
        const string Key = "tokenizer.ggml.precompiled_charsmap";
        if (!file.Metadata.TryGetValue(Key, out var value))
            return null;
        return value.Type == GgufType.Int8
            ? Array.ConvertAll(file.FindNumbers<sbyte>(Key, GgufType.Int8, MaxCharsMapBytes)!, b => (byte)b)
            : file.FindNumbers<byte>(Key, GgufType.UInt8, MaxCharsMapBytes);
    }
}
