namespace ChatGLM.Fuzz;

/// <summary>One reader of untrusted bytes, and how to make files for it.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Read">Reads the bytes to the end, as a user of the library would. Only a <see cref="ChatGLMException"/> may come out.</param>
/// <param name="Seeds">Good files, made in code, to be damaged.</param>
/// <param name="Grammar">Makes a file out of the format's own parts, most of them wrong in some place; null where damaged seeds do.</param>
public sealed record FuzzTarget(string Name, Action<byte[]> Read, IReadOnlyList<byte[]> Seeds, Func<FuzzRandom, byte[]>? Grammar = null)
{
    /// <summary>The input of a number: the same for the same seed.</summary>
    public byte[] Input(ulong seed, ulong index)
    {
        var random = new FuzzRandom(seed, index);
        if (Grammar is not null && random.OneIn(3))
            return Grammar(random);
        var file = Grammar is not null && random.OneIn(4) ? Grammar(random) : random.Of(Seeds);
        return Mutator.Mutate(file, Seeds, random);
    }
}
