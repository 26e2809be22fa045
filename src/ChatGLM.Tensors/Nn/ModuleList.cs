namespace ChatGLM.Tensors;

/// <summary>Modules in a row, named by their index (<c>torch.nn.ModuleList</c>).</summary>
/// <typeparam name="T">The kind of module.</typeparam>
public sealed class ModuleList<T> : Module
    where T : Module
{
    private readonly List<ModuleSlot<T>> _slots = [];

    /// <summary>Makes <paramref name="count"/> modules; each gets its index and its place in the state dict.</summary>
    public ModuleList(int count, WeightScope scope, Func<int, WeightScope, T> create)
    {
        for (var index = 0; index < count; index++)
        {
            var name = index.ToString(System.Globalization.CultureInfo.InvariantCulture);
            _slots.Add(Child(name, create(index, scope[name])));
        }
    }

    /// <summary>How many there are.</summary>
    public int Count => _slots.Count;

    /// <summary>The module at an index.</summary>
    public T this[int index] => _slots[index].Value;
}
