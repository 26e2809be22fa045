using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Samples.QuickStart;

/// <summary>Answers many questions at once, always with the likeliest token, so that two models can be compared.</summary>
internal static class Answers
{
    private const int BatchSize = 16;
    private const int MostTokens = 96;

    public static List<string> To(IReadOnlyList<string> questions, ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, CancellationToken cancellationToken)
    {
        var answers = new List<string>(questions.Count);
        foreach (var part in questions.Chunk(BatchSize))
        {
            var prompts = tokenizer.Pad([.. part.Select(question => tokenizer.BuildChatInput(question))], new BatchEncodeOptions { Padding = PaddingStrategy.Longest });
            var result = model.Generate(prompts, new GenerationConfig { MaxNewTokens = MostTokens }, cancellationToken);
            for (var row = 0; row < part.Length; row++)
                answers.Add(tokenizer.Decode(result.Completion(row).ToArray(), new DecodeOptions { SkipSpecialTokens = true }).Trim());
        }

        return answers;
    }
}
