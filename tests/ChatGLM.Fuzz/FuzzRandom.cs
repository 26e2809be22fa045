namespace ChatGLM.Fuzz;

/// <summary>SplitMix64: the same seed and index give the same input on every machine and every run, without making those before it.</summary>
public sealed class FuzzRandom(ulong seed, ulong index)
{
    private ulong _state = Mix(seed + (0x9E3779B97F4A7C15 * Mix(index + 1)));

    public ulong Next() => Mix(_state += 0x9E3779B97F4A7C15);

    /// <summary>A number from 0 to <paramref name="count"/> - 1.</summary>
    public int Below(int count) => (int)(Next() % (ulong)Math.Max(count, 1));

    public bool OneIn(int count) => Below(count) == 0;

    public T Of<T>(IReadOnlyList<T> values) => values[Below(values.Count)];

    /// <summary>A number with a liking for the edges of types, where readers go wrong.</summary>
    public ulong Edge() => Below(4) switch
    {
        0 => (ulong)Below(20),
        1 => (1UL << Below(64)) - (ulong)Below(3),
        2 => ulong.MaxValue - (ulong)Below(20),
        _ => Next() >> Below(64),
    };

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
