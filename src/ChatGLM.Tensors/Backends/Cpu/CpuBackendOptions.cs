namespace ChatGLM.Tensors;

/// <summary>How a <see cref="CpuBackend"/> uses the processor.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>How many threads compute; 0 for one per core. Results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>The widest vectors to use, in bits: 512, 256, 128, or 0 for plain scalar code. What the processor lacks is not used whatever is asked for.</summary>
    public int MaxVectorBits { get; init; } = 512;

    /// <summary>
    /// Whether activations are rounded to 8 bits, a scale for each group, where they meet a <see cref="GroupQuantizedWeight"/> and no gradient will be asked for (under
    /// <see cref="GradMode.NoGrad"/>, as generation runs): products are then integers, at the speed of memory. The error that this adds is small beside that of the weight's own rounding; see docs/ARCHITECTURE.md. Training
    /// always computes with the activations as they are.
    /// </summary>
    public bool RoundsActivations { get; init; } = true;
}
