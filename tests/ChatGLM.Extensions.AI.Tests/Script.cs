using ChatGLM.Generation;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using GlmOptions = ChatGLM.Models.ChatOptions;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>Makes a model with random weights say what a test wants, token by token, and keeps the prompt that it was given.</summary>
internal sealed class Script(IReadOnlyList<int> tokens) : LogitsProcessor
{
    private int? _promptLength;

    public int[] Prompt { get; private set; } = [];

    /// <summary>Says a text, then ends.</summary>
    public static Script Says(ChatGLMTokenizer tokenizer, string text, bool callsTool = false)
    {
        var ids = tokenizer.Encode(text, null, new EncodeOptions { AddSpecialTokens = false });
        tokenizer.Decode(ids).TrimStart().Should().Be(text.TrimStart(), "the script must be what the tokenizer can say");
        return new Script([.. ids, callsTool ? tokenizer.GetCommand("<|observation|>") : tokenizer.ChatEosTokenIds[0]]);
    }

    public ChatOptions Options(ChatOptions? options = null)
    {
        var result = options?.Clone() ?? new ChatOptions();
        result.MaxOutputTokens ??= 400;
        result.RawRepresentationFactory = _ => new GlmOptions { Processors = [this] };
        return result;
    }

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        if (_promptLength is null)
        {
            _promptLength = inputIds.Length;
            Prompt = inputIds[0].ToArray();
        }

        var row = scores[0];
        row.Fill(-1000);
        row[tokens[Math.Min(inputIds.Length - _promptLength.Value, tokens.Count - 1)]] = 0;
    }
}
