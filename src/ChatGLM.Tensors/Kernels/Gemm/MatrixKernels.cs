using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>The matrix kernels of one vector width, behind one virtual call per operation.</summary>
internal abstract unsafe class MatrixKernels
{
    /// <summary>The kernels for 512, 256 or 128 bits, or scalar ones for 0.</summary>
    public static MatrixKernels For(int vectorBits) => vectorBits switch
    {
        512 => new MatrixKernels<Simd512, Vector512<float>>(),
        256 => new MatrixKernels<Simd256, Vector256<float>>(),
        128 => new MatrixKernels<Simd128, Vector128<float>>(),
        _ => new MatrixKernels<SimdScalar, float>(),
    };

    /// <summary>result [rows, outputs] = x [rows, inputs] weight [outputs, inputs]^T + bias, for few rows.</summary>
    public abstract void FewRows(WorkerPool pool, int rows, int outputs, int inputs, float* x, in DenseOperand weight, float* bias, float* result);

    /// <summary>The same over a quantized weight.</summary>
    public abstract void FewRows(WorkerPool pool, int rows, int outputs, int inputs, float* x, in QuantizedOperand weight, float* bias, float* result);

    /// <summary>result [rows, columns] = left [rows, depth] * right [depth, columns] + addend. See <see cref="Gemm{TSimd, TVec, TPanels}.Run"/>.</summary>
    public abstract void Multiply(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in DenseOperand right, float* result, float* addend, nint addendStride);

    /// <summary>The same over a quantized right operand.</summary>
    public abstract void Multiply(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in QuantizedOperand right, float* result, float* addend, nint addendStride);

    /// <summary>A quantized matrix [rows, columns] as float32.</summary>
    public abstract void Dequantize(WorkerPool pool, int rows, int columns, in QuantizedOperand matrix, float* target);

    /// <summary>x [rows, inputs] weight^T + bias over a group-quantized weight, for few rows, with x as it is.</summary>
    public abstract void FewRows(WorkerPool pool, int rows, float* x, in GroupMatrix weight, float* bias, float* result);

    /// <summary>left [rows, inputs] weight^T + bias, or, not transposed, left [rows, outputs] weight.</summary>
    public abstract void Multiply(WorkerPool pool, long rows, in LeftOperand left, in GroupMatrix weight, bool isTransposed, float* result, float* bias);

    /// <summary>A group-quantized matrix as float32.</summary>
    public abstract void Dequantize(WorkerPool pool, in GroupMatrix matrix, float* target);

    /// <summary>x [rows, inputs] weight^T + bias over a block-quantized weight, for few rows, with x as it is.</summary>
    public abstract void FewRows(WorkerPool pool, int rows, float* x, in BlockMatrix weight, float* bias, float* result);

    /// <summary>left [rows, inputs] weight^T + bias, or, not transposed, left [rows, outputs] weight.</summary>
    public abstract void Multiply(WorkerPool pool, long rows, in LeftOperand left, in BlockMatrix weight, bool isTransposed, float* result, float* bias);

    /// <summary>A block-quantized matrix as float32.</summary>
    public abstract void Dequantize(WorkerPool pool, in BlockMatrix matrix, float* target);

    /// <summary>Words of a weight in a vector: what a single row of <see cref="RoundedRows"/> is laid out by.</summary>
    public abstract int WordLanes { get; }

    /// <summary>Rows in a panel of <see cref="RoundedRows"/> of many rows.</summary>
    public abstract int RoundedTileRows { get; }

    /// <summary>result [rows, outputs] = x [rows, inputs] weight [outputs, inputs]^T + bias over a row-quantized weight, with x in 16 bits (a single row in twice as many).</summary>
    public abstract void Multiply(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result);

    /// <summary>Widens a vector of any floating-point type.</summary>
    public abstract void Widen(byte* source, DType dtype, long count, float* target);
}

/// <summary>The matrix kernels for one width.</summary>
internal sealed unsafe partial class MatrixKernels<TSimd, TVec> : MatrixKernels
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public override void FewRows(WorkerPool pool, int rows, int outputs, int inputs, float* x, in DenseOperand weight, float* bias, float* result)
    {
        switch (weight.DType)
        {
            case DType.Float32:
                FewRows<TSimd, TVec, Float32Format>.Run(pool, rows, outputs, inputs, x, weight.Data, null, bias, result);
                break;
            case DType.Float16:
                FewRows<TSimd, TVec, Float16Format>.Run(pool, rows, outputs, inputs, x, weight.Data, null, bias, result);
                break;
            case DType.BFloat16:
                FewRows<TSimd, TVec, BFloat16Format>.Run(pool, rows, outputs, inputs, x, weight.Data, null, bias, result);
                break;
            default:
                throw Unsupported(weight.DType);
        }
    }

    public override void Multiply(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in DenseOperand right, float* result, float* addend, nint addendStride)
    {
        switch (right.DType)
        {
            case DType.Float32:
                Multiply<Float32Format>(pool, rows, columns, depth, left, right, result, addend, addendStride);
                break;
            case DType.Float16:
                Multiply<Float16Format>(pool, rows, columns, depth, left, right, result, addend, addendStride);
                break;
            case DType.BFloat16:
                Multiply<BFloat16Format>(pool, rows, columns, depth, left, right, result, addend, addendStride);
                break;
            default:
                throw Unsupported(right.DType);
        }
    }

    public override void Widen(byte* source, DType dtype, long count, float* target)
    {
        switch (dtype)
        {
            case DType.Float32:
                Widen<Float32Format>(source, count, target);
                break;
            case DType.Float16:
                Widen<Float16Format>(source, count, target);
                break;
            case DType.BFloat16:
                Widen<BFloat16Format>(source, count, target);
                break;
            default:
                throw Unsupported(dtype);
        }
    }

    private static void Multiply<TFormat>(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in DenseOperand right, float* result, float* addend, nint addendStride)
        where TFormat : struct, IElementFormat
    {
        if (right.IsTransposed)
        {
            var panels = new DenseColumns<TSimd, TVec, TFormat>(right.Data, depth);
            Gemm<TSimd, TVec, DenseColumns<TSimd, TVec, TFormat>>.Run(pool, rows, columns, depth, left, panels, result, addend, addendStride);
        }
        else
        {
            var panels = new DenseRows<TSimd, TVec, TFormat>(right.Data, columns);
            Gemm<TSimd, TVec, DenseRows<TSimd, TVec, TFormat>>.Run(pool, rows, columns, depth, left, panels, result, addend, addendStride);
        }
    }

    private static void Widen<TFormat>(byte* source, long count, float* target)
        where TFormat : struct, IElementFormat
    {
        long i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
            TSimd.Store(target + i, TFormat.Load<TSimd, TVec>(source + (i * TFormat.SizeInBytes)));
        for (; i < count; i++)
            target[i] = TFormat.Load<SimdScalar, float>(source + (i * TFormat.SizeInBytes));
    }

    private static TensorException Unsupported(DType dtype) =>
        new(nameof(Multiply), $"matrix kernels compute with float32, float16 and bfloat16, not with {dtype.TorchName()}; cast the tensor to one of them first.");
}
