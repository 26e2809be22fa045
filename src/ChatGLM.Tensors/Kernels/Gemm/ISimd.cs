using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The vector operations that the matrix kernels are written in, one implementation for each width, so that a kernel is written once. Lanes are float32; the bit operations
/// look at the same lanes as 32-bit integers, or as pairs of signed 16-bit ones.
/// </summary>
/// <typeparam name="TVec">The vector, or float for scalar code.</typeparam>
internal unsafe interface ISimd<TVec>
    where TVec : struct
{
    /// <summary>Lanes of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Rows of the micro-kernel's tile: as many as the registers hold accumulators for, two vectors each.</summary>
    static abstract int TileRows { get; }

    static abstract TVec Zero { get; }

    static abstract TVec Load(float* source);

    static abstract void Store(float* target, TVec value);

    /// <summary>Count 16-bit values, each zero-extended into a lane's bits.</summary>
    static abstract TVec LoadUInt16(byte* source);

    /// <summary>Count signed bytes as numbers.</summary>
    static abstract TVec LoadInt8(byte* source);

    /// <summary>Count bytes that hold two signed 4-bit numbers each: the high halves, and the low halves.</summary>
    static abstract void LoadInt4(byte* source, out TVec high, out TVec low);

    static abstract TVec Broadcast(float value);

    static abstract TVec BroadcastBits(uint bits);

    static abstract TVec Add(TVec a, TVec b);

    static abstract TVec Multiply(TVec a, TVec b);

    /// <summary>a * b + c, rounded once where the processor can.</summary>
    static abstract TVec MultiplyAdd(TVec a, TVec b, TVec c);

    /// <summary>a * b - c.</summary>
    static abstract TVec MultiplySubtract(TVec a, TVec b, TVec c);

    /// <summary>The smaller one as unsigned integers: of two floats with the same sign, the one nearer to zero.</summary>
    static abstract TVec MinBits(TVec a, TVec b);

    static abstract TVec And(TVec a, TVec b);

    static abstract TVec Or(TVec a, TVec b);

    static abstract TVec ShiftLeft(TVec a, int bits);

    /// <summary>Shifts copies of the sign bit in.</summary>
    static abstract TVec ShiftRightArithmetic(TVec a, int bits);

    /// <summary>Denormal numbers become zero: a multiplication with one costs a hundred cycles, and .NET cannot tell the processor to do this by itself.</summary>
    static abstract TVec FlushDenormals(TVec a);

    /// <summary>The even and the odd ones of 2 * Count numbers.</summary>
    static abstract void Deinterleave(float* source, out TVec even, out TVec odd);

    /// <summary>Stores 2 * Count numbers, of which the even and the odd ones are given.</summary>
    static abstract void StoreInterleaved(float* target, TVec even, TVec odd);

    /// <summary>The sum of all lanes, in a fixed tree.</summary>
    static abstract float Sum(TVec a);

    /// <summary>Transposes Count x Count numbers. Source rows from <paramref name="rows"/> on are not read and count as zero; all Count rows of the target are written. Strides in floats.</summary>
    static abstract void Transpose(float* source, nint sourceStride, int rows, float* target, nint targetStride);

    /// <summary>Shifts every 16-bit number to the left and then to the right, copies of its sign in: takes a signed field out of it.</summary>
    static abstract TVec TakeField(TVec a, int left, int right);

    /// <summary>Products of 16-bit numbers, the two of a lane summed: a 32-bit integer.</summary>
    static abstract TVec MultiplyPairs(TVec a, TVec b);

    static abstract TVec AddIntegers(TVec a, TVec b);

    /// <summary>32-bit integers as numbers, rounded to nearest.</summary>
    static abstract TVec ToFloat(TVec integers);

    /// <summary>a * b + c, rounded once, whatever the processor has.</summary>
    static abstract TVec FusedMultiplyAdd(TVec a, TVec b, TVec c);

    /// <summary>The sums of all lanes as integers, of each of four vectors.</summary>
    static abstract Vector128<int> SumIntegers(TVec a, TVec b, TVec c, TVec d);
}
