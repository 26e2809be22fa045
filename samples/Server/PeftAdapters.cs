using ChatGLM.Extensions.AI;
using ChatGLM.Models;
using ChatGLM.Peft;

namespace ChatGLM.Samples.Server;

/// <summary>Adapters from folders in peft's form, all on the one model in memory. What requests call them is not bound by what peft allows as a name.</summary>
/// <param name="folders">Folders by the adapters' names.</param>
internal sealed class PeftAdapters(IReadOnlyDictionary<string, string> folders)
{
    private readonly string[] _names = [.. folders.Keys.Order(StringComparer.Ordinal)];
    private PeftModel? _peft;

    public void Configure(ChatGLMOptions options)
    {
        if (_names.Length == 0)
            return;
        options.Adapters = _names;
        options.PrepareModel = Attach;
        options.BatchAdapters = () => _peft!.ForBatches(name => PeftName(Array.IndexOf(_names, name)));
    }

    private void Attach(ChatGLMForConditionalGeneration model)
    {
        _peft = PeftModel.FromPretrained(model, folders[_names[0]], PeftName(0));
        for (var i = 1; i < _names.Length; i++)
            _peft.LoadAdapter(folders[_names[i]], PeftName(i));
    }

    private static string PeftName(int index) => $"adapter{index}";
}
