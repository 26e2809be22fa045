using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>The adapters of virtual tokens by name (<c>prompt_encoder</c>), and which of them stands before the text.</summary>
internal sealed class PromptAdapters(PreTrainedModel model) : Module
{
    private readonly Dictionary<string, SoftPrompt> _prompts = new(StringComparer.Ordinal);

    public SoftPrompt? Find(string adapter) => _prompts.GetValueOrDefault(adapter);

    public void Add(string adapter, SoftPrompt prompt)
    {
        _prompts.Add(adapter, prompt);
        Child(adapter, prompt);
        prompt.Train(Training);
    }

    /// <summary>Puts the prompt of the active adapters, if one of them is one, before the text. A prompt that is none of these is left alone.</summary>
    public void Activate(IReadOnlyList<string> adapters)
    {
        var wanted = adapters.Select(Find).FirstOrDefault(prompt => prompt is not null);
        if (wanted is not null || (model.SoftPrompt is { } standing && _prompts.ContainsValue(standing)))
            model.SoftPrompt = wanted;
    }

    /// <summary>Two of these adapters that want to stand in the one place there is; null if there are none.</summary>
    public (string First, string Second)? Conflict(IEnumerable<string> adapters) =>
        adapters.Distinct().Where(_prompts.ContainsKey).Take(2).ToArray() is [var first, var second] ? (first, second) : null;

    /// <summary>Takes away an adapter that is not active.</summary>
    public void Delete(string adapter)
    {
        if (!_prompts.Remove(adapter, out var prompt))
            return;
        RemoveChild(adapter);
        prompt.Dispose();
    }

    /// <summary>Takes all adapters away.</summary>
    public void Clear()
    {
        Activate([]);
        foreach (var adapter in _prompts.Keys.ToList())
            Delete(adapter);
    }
}
