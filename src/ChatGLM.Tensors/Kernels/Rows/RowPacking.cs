using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Rows of a row-quantized weight to the panels of <see cref="RowGemm{TSimd, TVec, TFormat}"/>: words are transposed as they are stored, and come apart into pairs of 16-bit numbers on their way out.</summary>
internal static unsafe class RowPacking<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    // Not a power of two: rows that far apart want the same lines of the cache.
    private const int RowStride = RoundedRows.SegmentColumns + 64;

    /// <summary>Scratch bytes that <see cref="Pack"/> needs.</summary>
    public static int ScratchBytes => (TSimd.Count * RowStride) + (TSimd.Count * TSimd.Count * sizeof(float));

    /// <summary>Packs a segment of some rows and returns how many pairs it has, filled up with zeros. A panel is two vectors wide and has room for a whole segment; rows that are missing in the last one are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Pack(byte* source, nint rowBytes, int bytes, int columns, float* target, byte* scratch)
    {
        if (bytes == 0)
            return 0;
        var parts = RowFields<TFormat>.Parts;
        var panelWidth = 2 * TSimd.Count;
        var vectorBytes = TSimd.Count * sizeof(int);
        var padded = (bytes + vectorBytes - 1) / vectorBytes * vectorBytes;
        var block = (float*)(scratch + (TSimd.Count * RowStride));
        for (var column = 0; column < columns; column += TSimd.Count)
        {
            var rows = Math.Min(TSimd.Count, columns - column);
            for (var row = 0; row < rows; row++)
            {
                var to = scratch + (row * RowStride);
                new Span<byte>(to + padded - vectorBytes, vectorBytes).Clear();
                Unsafe.CopyBlockUnaligned(to, source + ((column + row) * rowBytes), (uint)bytes);
            }

            PackVector(scratch, rows, padded / sizeof(int), block, Vector(target, column));
        }

        if (columns % panelWidth is > 0 and var rest && rest <= TSimd.Count)
        {
            var to = Vector(target, columns / panelWidth * panelWidth) + TSimd.Count;
            for (var pair = 0; pair < padded / sizeof(int) * parts; pair++)
                TSimd.Store(to + (pair * panelWidth), TSimd.Zero);
        }

        return padded / sizeof(int) * parts;
    }

    /// <summary>Where the vector of a column begins: in the first or second half of its panel.</summary>
    private static float* Vector(float* target, int column)
    {
        var (panel, inPanel) = Math.DivRem(column, 2 * TSimd.Count);
        return target + ((nint)panel * RoundedRows.SegmentPairs * 2 * TSimd.Count) + inPanel;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackVector(byte* source, int rows, int words, float* block, float* target)
    {
        var panelWidth = 2 * TSimd.Count;
        for (var word = 0; word < words; word += TSimd.Count)
        {
            TSimd.Transpose((float*)source + word, RowStride / sizeof(float), rows, block, TSimd.Count);
            for (var i = 0; i < TSimd.Count; i++)
            {
                var value = TSimd.Load(block + (i * TSimd.Count));
                TSimd.Store(target, RowFields<TFormat>.Take<TSimd, TVec>(value, 0));
                TSimd.Store(target + panelWidth, RowFields<TFormat>.Take<TSimd, TVec>(value, 1));
                target += 2 * panelWidth;
                if (TFormat.BitsPerElement == 8)
                    continue;
                TSimd.Store(target, RowFields<TFormat>.Take<TSimd, TVec>(value, 2));
                TSimd.Store(target + panelWidth, RowFields<TFormat>.Take<TSimd, TVec>(value, 3));
                target += 2 * panelWidth;
            }
        }
    }
}
