namespace ChatGLM.Formats;

/// <summary>A Python dict or OrderedDict, as pairs in the order they were set. Keys may be any value, as in an optimizer's state.</summary>
internal sealed class PickleDict : PickleContainer
{
    private readonly List<KeyValuePair<object?, object?>> _items = [];

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items;

    /// <summary>Returns what is wrong, or null.</summary>
    public string? Add(object? key, object? value)
    {
        var wrong = Admit(key) ?? Admit(value);
        _items.Add(new(key, value));
        return wrong;
    }

    /// <summary>The last value set for a text key, as Python would have it.</summary>
    public bool TryGet(string key, out object? value)
    {
        for (var i = _items.Count - 1; i >= 0; i--)
        {
            if (_items[i].Key is string text && text == key)
            {
                value = _items[i].Value;
                return true;
            }
        }

        value = null;
        return false;
    }
}
