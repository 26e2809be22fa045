using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Models;

/// <summary>ChatGLM3 ends an answer with the role of the next message; its generation_config.json names only the end of text.</summary>
public sealed class ChatEndTests
{
    [Theory]
    [InlineData("<|user|>")]
    [InlineData("<|observation|>")]
    public void A_variation_of_the_chat_options_still_ends_at_the_next_role(string end)
    {
        var tokenizer = SmallTokenizers.Get(ChatGLMGeneration.ChatGLM3);
        using var model = TinyModels.Create(TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize + 8, SeqLength = 256 });
        model.GenerationConfig = new GenerationConfig { EosTokenId = [tokenizer.EosTokenId] };
        var result = model.Chat(tokenizer, "你好", options: new ChatOptions
        {
            Generation = model.ChatGenerationConfig with { MaxNewTokens = 9 },
            Processors = [new Always(tokenizer.GetCommand(end))],
        });
        result.FinishReason.Should().Be(FinishReason.Stop);
        result.CompletionTokens.Should().Be(1);
        result.Content.Should().BeEmpty();
    }

    private sealed class Always(int token) : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores)
        {
            scores.Values.Fill(-1000);
            scores[0][token] = 0;
        }
    }
}
