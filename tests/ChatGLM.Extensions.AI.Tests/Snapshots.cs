using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>One snapshot of each generation for all tests of a class.</summary>
public sealed class Snapshots : IDisposable
{
    private readonly TinySnapshot[] _all = [new(ChatGLMGeneration.ChatGLM6B), new(ChatGLMGeneration.ChatGLM2), new(ChatGLMGeneration.ChatGLM3)];

    public static TheoryData<ChatGLMGeneration> Generations => [ChatGLMGeneration.ChatGLM6B, ChatGLMGeneration.ChatGLM2, ChatGLMGeneration.ChatGLM3];

    internal TinySnapshot this[ChatGLMGeneration generation] => _all[(int)generation - 1];

    public void Dispose()
    {
        foreach (var snapshot in _all)
            snapshot.Dispose();
    }
}
