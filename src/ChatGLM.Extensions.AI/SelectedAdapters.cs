using ChatGLM.Batching;

namespace ChatGLM.Extensions.AI;

/// <summary>Adapters of which one is selected at a time: each has its requests to itself, in steps of their own.</summary>
internal sealed class SelectedAdapters(Action<string?> select) : BatchAdapters
{
    public override void Select(string? adapter) => select(adapter);
}
