using ChatGLM.Tensors;

namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Draws from lists with PyTorch's generator: the same seed gives the same text everywhere.</summary>
internal sealed class Draw(ulong seed)
{
    private readonly TorchGenerator _generator = new(seed);

    /// <summary>A number from 0 to one less than <paramref name="count"/>.</summary>
    public int Below(int count) => (int)(_generator.NextUInt32() % (uint)count);

    /// <summary>True this many times in a hundred.</summary>
    public bool Percent(int chance) => Below(100) < chance;

    /// <summary>One of some things.</summary>
    public T From<T>(IReadOnlyList<T> things) => things[Below(things.Count)];

    /// <summary>Some of some things, each at most once, in random order.</summary>
    public List<T> Some<T>(IReadOnlyList<T> things, int count)
    {
        var rest = things.ToList();
        var taken = new List<T>();
        while (taken.Count < count && rest.Count > 0)
        {
            var at = Below(rest.Count);
            taken.Add(rest[at]);
            rest.RemoveAt(at);
        }

        return taken;
    }
}
