namespace ChatGLM.Tensors;

/// <summary>How a <see cref="CpuBackend"/> uses the processor.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>How many threads compute; 0 for one per core. Results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>The widest vectors to use, in bits: 512, 256, 128, or 0 for plain scalar code. What the processor lacks is not used whatever is asked for.</summary>
    public int MaxVectorBits { get; init; } = 512;
}
