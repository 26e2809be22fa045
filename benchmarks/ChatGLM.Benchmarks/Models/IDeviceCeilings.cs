namespace ChatGLM.Benchmarks.Models;

/// <summary>What a device can do at most, measured again beside every row, because other load on it comes and goes; the best figure counts.</summary>
internal interface IDeviceCeilings : IDisposable
{
    /// <summary>GB/s.</summary>
    double ReadBandwidth { get; }

    /// <summary>GFLOP/s of the arithmetic that training and prompts are made of.</summary>
    double Fma { get; }

    /// <summary>GOP/s of products with 8-bit weights.</summary>
    double Bytes { get; }

    /// <summary>GOP/s of products with 4-bit weights.</summary>
    double Nibbles { get; }

    /// <summary>GFLOP/s of a large float32 product: not a ceiling, but what others are compared with.</summary>
    double Gemm { get; }

    /// <summary>Measures once more.</summary>
    void Refresh();
}
