using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Groups of a row of a block-quantized matrix as float32: the number times its scale, rounded, plus the minimum, rounded, as the formats are defined.</summary>
internal static unsafe class BlockWidening<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Writes groups <paramref name="group"/>.. (as many as <paramref name="count"/>) of a row, 32 numbers each.</summary>
    public static void Widen(in BlockMatrix matrix, int row, int group, int count, float* target)
    {
        var data = matrix.Row(row);
        switch (matrix.Format)
        {
            case BlockFormat.Q4_0:
                Widen<BlockQ40>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q4_1:
                Widen<BlockQ41>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q5_0:
                Widen<BlockQ50>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q5_1:
                Widen<BlockQ51>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q8_0:
                Widen<BlockQ80>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q4_K:
                Widen<BlockQ4K>(data, matrix.Groups, group, count, target);
                break;
            case BlockFormat.Q5_K:
                Widen<BlockQ5K>(data, matrix.Groups, group, count, target);
                break;
            default:
                Widen<BlockQ6K>(data, matrix.Groups, group, count, target);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Widen<TFormat>(byte* data, int groups, int group, int count, float* target)
        where TFormat : struct, IBlockFormat
    {
        var scales = stackalloc float[16];
        var minimums = stackalloc float[BlockMatrix.ChunkGroups];
        var numbers = stackalloc sbyte[BlockMatrix.GroupColumns];
        var offset = Vector128.Create((byte)TFormat.Offset);
        for (var end = group + count; group < end;)
        {
            var (chunkIndex, inChunk) = Math.DivRem(group, BlockMatrix.ChunkGroups);
            var chunk = data + ((nint)chunkIndex * TFormat.ChunkBytes);
            var inThisChunk = Math.Min(BlockMatrix.ChunkGroups, groups - (chunkIndex * BlockMatrix.ChunkGroups));
            TFormat.Scales(chunk, inThisChunk, scales, minimums);
            for (var last = Math.Min(inThisChunk, inChunk + end - group); inChunk < last; inChunk++, group++, target += BlockMatrix.GroupColumns)
            {
                Vector128<byte> first, second;
                if ((inChunk & 1) == 0)
                    TFormat.Load(chunk, inChunk / 2, isOdd: false, out first, out second);
                else
                    TFormat.Load(chunk, inChunk / 2, isOdd: true, out first, out second);
                (first - offset).AsSByte().Store(numbers);
                (second - offset).AsSByte().Store(numbers + 16);
                var scale = TFormat.HasHalfScales ? scales + (2 * inChunk) : scales + inChunk;
                Half<TFormat>(numbers, *scale, minimums[TFormat.HasMinimum ? inChunk : 0], target);
                Half<TFormat>(numbers + 16, scale[TFormat.HasHalfScales ? 1 : 0], minimums[TFormat.HasMinimum ? inChunk : 0], target + 16);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Half<TFormat>(sbyte* numbers, float scale, float minimum, float* target)
        where TFormat : struct, IBlockFormat
    {
        for (var i = 0; i < 16; i += TSimd.Count)
        {
            var value = TSimd.Multiply(TSimd.LoadInt8((byte*)numbers + i), TSimd.Broadcast(scale));
            TSimd.Store(target + i, TFormat.HasMinimum ? TSimd.Add(value, TSimd.Broadcast(minimum)) : value);
        }
    }
}
