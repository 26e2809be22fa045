namespace ChatGLM.Tensors;

/// <summary>The element type of a tensor, named as in PyTorch.</summary>
public enum DType
{
    /// <summary>IEEE 754 binary32.</summary>
    Float32,

    /// <summary>IEEE 754 binary16.</summary>
    Float16,

    /// <summary>The upper half of a binary32.</summary>
    BFloat16,

    /// <summary>IEEE 754 binary64. Stored and converted; no kernel computes in it.</summary>
    Float64,

    /// <summary>64-bit signed integer: token ids, positions, labels.</summary>
    Int64,

    /// <summary>32-bit signed integer.</summary>
    Int32,

    /// <summary>16-bit signed integer. Stored and converted; no kernel computes in it.</summary>
    Int16,

    /// <summary>8-bit signed integer: quantized weights.</summary>
    Int8,

    /// <summary>8-bit unsigned integer.</summary>
    UInt8,

    /// <summary>One byte, 0 or 1.</summary>
    Bool,
}
