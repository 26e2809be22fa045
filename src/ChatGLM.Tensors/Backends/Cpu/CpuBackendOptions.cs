namespace ChatGLM.Tensors;

/// <summary>How a <see cref="CpuBackend"/> uses the processor.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>How many threads compute; 0 for one per core. Results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>The widest vectors to use, in bits: 512, 256, 128, or 0 for plain scalar code. What the processor lacks is not used whatever is asked for.</summary>
    public int MaxVectorBits { get; init; } = 512;

    /// <summary>
    /// Whether activations are rounded where they meet a quantized weight and no gradient will be asked for (under <see cref="GradMode.NoGrad"/>, as generation runs), so that products are of integers: to 8 bits, a
    /// scale for each group, before a <see cref="GroupQuantizedWeight"/>, at the speed of memory; to 16 bits, a scale for every 512 columns, before a <see cref="RowQuantizedWeight"/>, if there are 64 rows or more. The error
    /// that this adds is small beside that of the weight's own rounding; see docs/ARCHITECTURE.md. Training always computes with the activations as they are.
    /// </summary>
    public bool RoundsActivations { get; init; } = true;
}
