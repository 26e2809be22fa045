namespace ChatGLM.Tensors.Kernels;

internal sealed unsafe partial class MatrixKernels<TSimd, TVec>
{
    public override int WordLanes => TSimd.Count;

    public override int RoundedTileRows => TSimd.TileRows == 12 ? 12 : 4;

    public override void Multiply(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
    {
        if (weight.Bits == 8)
            Multiply<Int8Format>(pool, x, outputs, inputs, weight, bias, result);
        else
            Multiply<Int4Format>(pool, x, outputs, inputs, weight, bias, result);
    }

    private static void Multiply<TFormat>(WorkerPool pool, in RoundedRows x, int outputs, int inputs, in QuantizedOperand weight, float* bias, float* result)
        where TFormat : struct, IPairFormat
    {
        if (x.TileRows == 0)
            RowStream<TSimd, TVec, TFormat>.Run(pool, x, outputs, inputs, weight, bias, result);
        else
            RowGemm<TSimd, TVec, TFormat>.Run(pool, x, outputs, inputs, weight, bias, result);
    }
}
