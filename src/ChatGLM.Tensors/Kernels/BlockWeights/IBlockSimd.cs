using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The arithmetic of one instruction set on a group of 32 columns as eight lanes of four. Products and their sums are whole numbers and exact on all of them, and the few operations on floats are exactly rounded, so every
/// path gives the same bits.
/// </summary>
/// <typeparam name="TFloat">Eight lanes of float32.</typeparam>
internal unsafe interface IBlockSimd<TFloat>
    where TFloat : struct
{
    static abstract TFloat Zero { get; }

    /// <summary>Lane i is the product of columns 4i to 4i + 3 with the activations.</summary>
    /// <param name="first">Columns 0 to 15 of the weight, unsigned.</param>
    /// <param name="second">Columns 16 to 31.</param>
    /// <param name="x">32 activations, -127 to 127.</param>
    /// <param name="starts">What the weight's offset amounts to, one number for each lane.</param>
    /// <param name="isFull">Whether the numbers use all 8 bits, with an offset of 128; else they stay below 64. A constant.</param>
    static abstract TFloat Dot(Vector128<byte> first, Vector128<byte> second, sbyte* x, int* starts, bool isFull);

    /// <summary>a * scale + sum, rounded once.</summary>
    static abstract TFloat MultiplyAdd(TFloat a, float scale, TFloat sum);

    /// <summary>The same with a scale for lanes 0 to 3 and one for lanes 4 to 7.</summary>
    static abstract TFloat MultiplyAdd(TFloat a, float first, float second, TFloat sum);

    /// <summary>The same for eight numbers and eight others.</summary>
    static abstract TFloat MultiplyAdd(float* a, float* b, TFloat sum);

    /// <summary>Multiplies eight numbers in place.</summary>
    static abstract void Multiply(float* a, float* by);

    /// <summary>The sum of the lanes: halves are added, then quarters, then the two that are left.</summary>
    static abstract float Sum(TFloat a);
}
