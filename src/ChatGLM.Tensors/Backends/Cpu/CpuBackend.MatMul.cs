using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        RequireFloat32(nameof(MatMul), a);
        var rank = a.Shape.Rank;
        var rows = a.Shape[transposeA ? rank - 1 : rank - 2];
        var depth = a.Shape[transposeA ? rank - 2 : rank - 1];
        var columns = b.Shape[transposeB ? b.Shape.Rank - 2 : b.Shape.Rank - 1];
        var y = New(a.Shape.With(rank - 2, rows).With(rank - 1, columns));
        if (y.ElementCount == 0)
            return y;
        var batches = checked((int)(y.ElementCount / ((long)rows * columns)));
        var product = new MatrixBatch(this, a, b, y, rows, columns, depth, transposeA, transposeB);

        // Many products: one per task, and each then computes on one thread. Few products: one after the other, each on all threads.
        if (batches >= Pool.Threads)
        {
            Pool.Run(batches, product);
        }
        else
        {
            for (var batch = 0; batch < batches; batch++)
                product.Run(batch);
        }

        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return y;
    }

    private readonly struct MatrixBatch(CpuBackend backend, Tensor a, Tensor b, Tensor y, int rows, int columns, int depth, bool transposeA, bool transposeB) : IParallelBody
    {
        public void Run(int batch)
        {
            var left = new LeftOperand((nint)(a.Pointer<float>() + ((long)batch * rows * depth)), transposeA ? 1 : depth, transposeA ? rows : 1);
            var right = new DenseOperand(b.Pointer<byte>() + ((long)batch * depth * columns * b.DType.SizeInBytes()), b.DType, transposeB);
            backend.Matrices.Multiply(backend.Pool, rows, columns, depth, left, right, y.Pointer<float>() + ((long)batch * rows * columns), null, 0);
        }
    }
}
