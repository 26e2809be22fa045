using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>One column of as many rows of a block as a vector has lanes, as float32.</summary>
internal static unsafe class GroupColumn<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    // The bits of 2^23. A number below it put into the lowest bits is added to it.
    private const uint Two23 = 0x4B000000;

    /// <summary>The numbers as stored, less an offset; exact.</summary>
    /// <param name="group">The first byte of the group, at the lane of the first row.</param>
    /// <param name="column">The column inside the group.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="offset">What is taken off.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load(byte* group, int column, int bits, TVec offset)
    {
        // A byte i of a quad is column i; of an octet, its low half is column i and its high half column i + 4.
        var word = TSimd.Load((float*)(group + (column / (32 / bits) * 64)));
        var shift = bits == 8 ? (column & 3) * 8 : ((column & 3) * 8) + (column & 4);
        var number = TSimd.And(TSimd.ShiftRightArithmetic(word, shift), TSimd.BroadcastBits((1u << bits) - 1));
        return TSimd.Add(TSimd.Or(number, TSimd.BroadcastBits(Two23)), offset);
    }

    /// <summary>What <see cref="Load"/> wants to take the offset of a symmetric weight, or none, off.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Offset(int offset) => TSimd.Broadcast(-8388608 - offset);

    /// <summary>Scales or minimums of the same rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Widen(ushort* source) => TSimd.ShiftLeft(TSimd.LoadUInt16((byte*)source), 16);
}
