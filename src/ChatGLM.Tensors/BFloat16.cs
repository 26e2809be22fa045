using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The upper half of a float32: eight bits of exponent, seven of fraction.</summary>
/// <param name="Bits">The bits as stored.</param>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Widens, which is exact.</summary>
    // Not inlined: of a 16-bit load whose bits then become a float, .NET 10 makes one load of 32 bits, two bytes beyond the value. At the end of a mapped file that ends the process.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>Rounds to the nearest, ties to even, as PyTorch does; a NaN stays one.</summary>
    public static explicit operator BFloat16(float value)
    {
        if (float.IsNaN(value))
            return new BFloat16(0x7FC0);
        var bits = BitConverter.SingleToUInt32Bits(value);
        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }
}
