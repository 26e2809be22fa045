using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>The instruction sets that a product of integers is written for.</summary>
internal enum IntegerPath
{
    Scalar,
    Vector128,
    Avx2,
    AvxVnni,
    Avx512,
}

/// <summary>The products with group-quantized weights on one path, behind one virtual call.</summary>
internal abstract unsafe class GroupKernels
{
    /// <summary>Whether the path wants activations in 16 bits for a weight of 8.</summary>
    public abstract bool HasWideQuads { get; }

    /// <summary>What the path leaves on every byte of an 8-bit weight.</summary>
    public abstract int ByteOffset { get; }

    /// <summary>The kernels of a path; the processor must have it, but for AVX-VNNI, of which AVX2 is enough.</summary>
    public static GroupKernels For(IntegerPath path) => path switch
    {
        IntegerPath.Avx512 => new GroupKernels<GroupSimd512, Vector512<int>, Vector512<float>>(),
        IntegerPath.AvxVnni => new GroupKernels<GroupSimdVnni, Vector256<int>, Vector256<float>>(),
        IntegerPath.Avx2 => new GroupKernels<GroupSimd256, Vector256<int>, Vector256<float>>(),
        IntegerPath.Vector128 => new GroupKernels<GroupSimd128, Vector128<int>, Vector128<float>>(),
        _ => new GroupKernels<GroupScalar, int, float>(),
    };

    /// <summary>The best path within a vector width: one instruction of AVX-VNNI does what takes AVX-512 two, on twice the numbers, so it goes first where it is.</summary>
    public static IntegerPath Best(int vectorBits) => vectorBits switch
    {
        >= 256 when AvxVnni.IsSupported => IntegerPath.AvxVnni,
        512 => IntegerPath.Avx512,
        256 => IntegerPath.Avx2,
        128 => IntegerPath.Vector128,
        _ => IntegerPath.Scalar,
    };

    /// <summary>result [rows, outputs] = x weight^T + bias.</summary>
    public abstract void Multiply(WorkerPool pool, int rows, in QuantizedInput x, in GroupMatrix weight, float* bias, float* result);
}

/// <summary>The products on one path.</summary>
internal sealed unsafe class GroupKernels<TSimd, TInt, TFloat> : GroupKernels
    where TSimd : struct, IGroupSimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    public override bool HasWideQuads => TSimd.HasWideQuads;

    public override int ByteOffset => TSimd.ByteOffset;

    public override void Multiply(WorkerPool pool, int rows, in QuantizedInput x, in GroupMatrix weight, float* bias, float* result)
    {
        if (weight.Bits == 8)
            GroupProduct<TSimd, TInt, TFloat, GroupBytes>.Run(pool, rows, x, weight, bias, result);
        else if (weight.Minimums == null)
            GroupProduct<TSimd, TInt, TFloat, GroupNibbles>.Run(pool, rows, x, weight, bias, result);
        else
            GroupProduct<TSimd, TInt, TFloat, GroupNibblesAndMinimum>.Run(pool, rows, x, weight, bias, result);
    }
}
