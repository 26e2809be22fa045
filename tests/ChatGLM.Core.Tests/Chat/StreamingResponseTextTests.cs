using ChatGLM.Chat;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Chat;

/// <summary>Processing an answer while it comes gives what processing it as a whole does.</summary>
public sealed class StreamingResponseTextTests
{
    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Parts_of_any_size_give_the_text_of_the_whole(ChatGLMGeneration generation)
    {
        var tokenizer = SmallTokenizers.Get(generation);
        var random = new Random(5);
        string[] parts = ["你", "好", ",", "!", "?", ":", ";", " ", "\t", "[[训练时间]]", "[[训练", "[", "]]", "a", "年", "\u001C", "，"];
        for (var round = 0; round < 400; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => parts[random.Next(parts.Length)]));
            var stream = new StreamingResponseText(generation);
            var output = "";
            for (var at = 0; at < text.Length;)
            {
                var size = Math.Min(random.Next(1, 5), text.Length - at);
                output += stream.Append(text.AsSpan(at, size));
                at += size;
            }

            output += stream.Flush();
            output.Should().Be(tokenizer.ProcessResponse(text).Content);
        }
    }

    [Fact]
    public void Text_that_is_certain_is_not_held_back()
    {
        var stream = new StreamingResponseText(ChatGLMGeneration.ChatGLM6B);
        stream.Append("  你好,").Should().Be("你好");
        stream.Append("x").Should().Be("，x");
        stream.Append(" ").Should().BeEmpty();
        stream.Append("[[训").Should().Be(" ");
        stream.Append("x").Should().Be("[[训x");
        stream.Flush().Should().BeEmpty();
    }
}
