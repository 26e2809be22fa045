using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The sum of squares, in double, of each piece of 16,384 numbers.</summary>
internal readonly unsafe struct SquareSumBody(DType dtype, void* x, double* pieces, long count) : ILaneBody
{
    public const long Piece = 16 * 1024;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[FloatStore.BlockLength];
        var sums = stackalloc double[64];
        for (var piece = from; piece < to; piece++)
        {
            new Span<double>(sums, 64).Clear();
            var end = Math.Min(count, (piece + 1) * Piece);
            for (var at = piece * Piece; at < end; at += FloatStore.BlockLength)
            {
                var length = (int)Math.Min(FloatStore.BlockLength, end - at);
                var values = block;
                if (dtype == DType.Float32 && length == FloatStore.BlockLength)
                {
                    values = (float*)x + at;
                }
                else
                {
                    new Span<float>(block, FloatStore.BlockLength).Clear();
                    FloatStore.Load<T>(dtype, x, at, block, length);
                }

                for (var i = 0; i < FloatStore.BlockLength; i += 64)
                {
                    T.Load(values + i).AddSquaresTo(sums);
                    T.Load(values + i + 16).AddSquaresTo(sums + 16);
                    T.Load(values + i + 32).AddSquaresTo(sums + 32);
                    T.Load(values + i + 48).AddSquaresTo(sums + 48);
                }
            }

            for (var width = 32; width > 0; width /= 2)
            {
                for (var i = 0; i < width; i++)
                    sums[i] += sums[i + width];
            }

            pieces[piece] = sums[0];
        }
    }
}
