using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>However an answer is cut into pieces, it reads the same.</summary>
public sealed class AnswerReaderTests
{
    private static readonly ToolList Tools = ToolList.From(new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "f")] })!;

    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM6B, false, " 你好,世界! OK, [[训练时间]] [[训练  ", "你好，世界！ OK, 2023年 [[训练", "")]
    [InlineData(ChatGLMGeneration.ChatGLM2, false, "\n\n你好,<|assistant|>x \n", "你好,<|assistant|>x", "")]
    [InlineData(ChatGLMGeneration.ChatGLM3, true, "\n 一<|assistant|>f\n```python\ntool_call(a=1)\n```", "一", "f(a=1)")]
    [InlineData(ChatGLMGeneration.ChatGLM3, true, " 一\n", "一", "")] // the only line is no tool's name, and nothing follows it
    [InlineData(ChatGLMGeneration.ChatGLM3, true, "no line", "no line", "")]
    [InlineData(ChatGLMGeneration.ChatGLM3, true, "\na<|assistant|>\nb", "a\nb", "")]
    [InlineData(ChatGLMGeneration.ChatGLM3, true, "g\ntool_call(b='<')", "", "g(b=<)")]
    [InlineData(ChatGLMGeneration.ChatGLM2, false, "one STOP two", "one", "")]
    [InlineData(ChatGLMGeneration.ChatGLM2, false, "one STO", "one STO", "")]
    public void Pieces_of_any_size_read_as_the_whole(ChatGLMGeneration generation, bool hasTools, string answer, string text, string call)
    {
        for (var size = 1; size <= answer.Length; size++)
        {
            var reader = new AnswerReader(generation, hasTools ? Tools : null, ["STOP", "never"]);
            List<AIContent> contents = [];
            for (var at = 0; at < answer.Length; at += size)
                contents.AddRange(reader.Append(answer.Substring(at, Math.Min(size, answer.Length - at))) ?? []);
            contents.AddRange(reader.Finish() ?? []);
            string.Concat(contents.OfType<TextContent>().Select(c => c.Text)).TrimEnd().Should().Be(text);
            string.Concat(contents.OfType<FunctionCallContent>().Select(c => $"{c.Name}({string.Join(',', c.Arguments!.Select(a => $"{a.Key}={a.Value}"))})")).Should().Be(call);
            reader.CallsTool.Should().Be(call.Length > 0);
        }
    }
}
