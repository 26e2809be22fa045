using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

internal sealed unsafe partial class MatrixKernels<TSimd, TVec>
{
    private const long SmallestDequantizeTask = 32 << 10;

    public override void FewRows(WorkerPool pool, int rows, int outputs, int inputs, float* x, in QuantizedOperand weight, float* bias, float* result)
    {
        if (weight.Bits == 8)
            FewRows<TSimd, TVec, Int8Format>.Run(pool, rows, outputs, inputs, x, weight.Data, weight.Scales, bias, result);
        else
            FewRows<TSimd, TVec, Int4Format>.Run(pool, rows, outputs, inputs, x, weight.Data, weight.Scales, bias, result);
    }

    public override void Multiply(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in QuantizedOperand right, float* result, float* addend, nint addendStride)
    {
        if (right.Bits == 8)
            MultiplyQuantized<Int8Format>(pool, rows, columns, depth, left, right, result, addend, addendStride);
        else
            MultiplyQuantized<Int4Format>(pool, rows, columns, depth, left, right, result, addend, addendStride);
    }

    public override void Dequantize(WorkerPool pool, int rows, int columns, in QuantizedOperand matrix, float* target)
    {
        var tasks = Math.Min(rows, pool.TasksFor((long)rows * columns, SmallestDequantizeTask));
        if (matrix.Bits == 8)
            pool.Run(tasks, new Dequantization<Int8Format>(rows, columns, matrix.Data, matrix.Scales, target, tasks));
        else
            pool.Run(tasks, new Dequantization<Int4Format>(rows, columns, matrix.Data, matrix.Scales, target, tasks));
    }

    private static void MultiplyQuantized<TFormat>(WorkerPool pool, long rows, int columns, int depth, in LeftOperand left, in QuantizedOperand right, float* result, float* addend, nint addendStride)
        where TFormat : struct, IPairFormat
    {
        if (right.IsTransposed)
        {
            var panels = new QuantizedColumns<TSimd, TVec, TFormat>(right.Data, right.Scales, depth);
            Gemm<TSimd, TVec, QuantizedColumns<TSimd, TVec, TFormat>>.Run(pool, rows, columns, depth, left, panels, result, addend, addendStride);
        }
        else
        {
            var panels = new QuantizedRows<TSimd, TVec, TFormat>(right.Data, right.Scales, columns);
            Gemm<TSimd, TVec, QuantizedRows<TSimd, TVec, TFormat>>.Run(pool, rows, columns, depth, left, panels, result, addend, addendStride);
        }
    }

    private readonly struct Dequantization<TFormat>(int rows, int columns, byte* data, float* scales, float* target, int tasks) : IParallelBody
        where TFormat : struct, IPairFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var end = (int)((long)rows * (task + 1) / tasks);
            for (var row = (int)((long)rows * task / tasks); row < end; row++)
            {
                var source = data + ((nint)row * columns * TFormat.BitsPerElement / 8);
                QuantizedRow<TSimd, TVec, TFormat>.Widen(source, columns, scales[row], target + ((nint)row * columns));
            }
        }
    }
}
