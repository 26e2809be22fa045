using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>The products of rounded activations with block-quantized weights on one path, behind one virtual call.</summary>
internal abstract unsafe class BlockKernels
{
    /// <summary>The kernels of a path. A group is 256 bits wide, so a processor with 512 takes the same path as one with 256.</summary>
    public static BlockKernels For(IntegerPath path) => path switch
    {
        IntegerPath.AvxVnni => new BlockKernels<BlockSimdVnni, Vector256<float>>(),
        IntegerPath.Avx512 or IntegerPath.Avx2 => new BlockKernels<BlockSimd256, Vector256<float>>(),
        _ => new BlockKernels<BlockSimd128, BlockSimd128.Eight>(),
    };

    /// <summary>What the format's numbers are stored with on top.</summary>
    public static int OffsetOf(BlockFormat format) => format switch
    {
        BlockFormat.Q4_0 => BlockQ40.Offset,
        BlockFormat.Q5_0 => BlockQ50.Offset,
        BlockFormat.Q8_0 => BlockQ80.Offset,
        BlockFormat.Q6_K => BlockQ6K.Offset,
        _ => 0,
    };

    /// <summary>result [rows, outputs] = x weight^T + bias.</summary>
    public abstract void Multiply(WorkerPool pool, int rows, in BlockInput x, in BlockMatrix weight, float* bias, float* result);
}

/// <summary>The products on one path.</summary>
internal sealed unsafe class BlockKernels<TSimd, TFloat> : BlockKernels
    where TSimd : struct, IBlockSimd<TFloat>
    where TFloat : struct
{
    public override void Multiply(WorkerPool pool, int rows, in BlockInput x, in BlockMatrix weight, float* bias, float* result)
    {
        switch (weight.Format)
        {
            case BlockFormat.Q4_0:
                BlockProduct<TSimd, TFloat, BlockQ40>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q4_1:
                BlockProduct<TSimd, TFloat, BlockQ41>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q5_0:
                BlockProduct<TSimd, TFloat, BlockQ50>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q5_1:
                BlockProduct<TSimd, TFloat, BlockQ51>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q8_0:
                BlockProduct<TSimd, TFloat, BlockQ80>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q4_K:
                BlockProduct<TSimd, TFloat, BlockQ4K>.Run(pool, rows, x, weight, bias, result);
                break;
            case BlockFormat.Q5_K:
                BlockProduct<TSimd, TFloat, BlockQ5K>.Run(pool, rows, x, weight, bias, result);
                break;
            default:
                BlockProduct<TSimd, TFloat, BlockQ6K>.Run(pool, rows, x, weight, bias, result);
                break;
        }
    }
}
