using ChatGLM.Generation;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>An answer that would take half a minute.</summary>
internal sealed class Slow : LogitsProcessor
{
    public static Microsoft.Extensions.AI.ChatOptions Endless { get; } = new()
    {
        RawRepresentationFactory = _ => new Models.ChatOptions { Generation = new GenerationConfig { MaxNewTokens = 600, EosTokenId = [] }, Processors = [new Slow()] },
    };

    public override void Process(InputIds inputIds, TokenScores scores) => Thread.Sleep(50);
}
