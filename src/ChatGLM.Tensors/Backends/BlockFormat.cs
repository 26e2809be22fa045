namespace ChatGLM.Tensors;

/// <summary>The block formats of GGUF files that are computed with, under llama.cpp's names. <see cref="BlockQuantizedWeight"/> has their layouts.</summary>
public enum BlockFormat
{
    /// <summary>4 bits around zero, a half scale for 32.</summary>
    Q4_0,

    /// <summary>4 bits, a half scale and minimum for 32.</summary>
    Q4_1,

    /// <summary>5 bits around zero, a half scale for 32.</summary>
    Q5_0,

    /// <summary>5 bits, a half scale and minimum for 32.</summary>
    Q5_1,

    /// <summary>8 bits around zero, a half scale for 32.</summary>
    Q8_0,

    /// <summary>4 bits in blocks of 256, with 6-bit scales and minimums for 32.</summary>
    Q4_K,

    /// <summary>5 bits in blocks of 256, with 6-bit scales and minimums for 32.</summary>
    Q5_K,

    /// <summary>6 bits around zero in blocks of 256, with 8-bit scales for 16.</summary>
    Q6_K,
}
