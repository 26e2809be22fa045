using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Numbers of any floating-point type, read and written as float32 a block at a time.</summary>
internal static unsafe class FloatStore
{
    /// <summary>The size of the blocks that callers keep on their stack.</summary>
    public const int BlockLength = 512;

    /// <summary>Widens (float64: rounds) numbers into float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Load<T>(DType dtype, void* source, long at, float* target, int count)
        where T : unmanaged, ILanes<T>
    {
        var i = 0;
        switch (dtype)
        {
            case DType.Float32:
                Buffer.MemoryCopy((float*)source + at, target, (long)count * sizeof(float), (long)count * sizeof(float));
                return;
            case DType.Float16:
                var halves = (ushort*)source + at;
                for (; i <= count - 16; i += 16)
                    T.LoadHalf(halves + i).Store(target + i);
                for (; i < count; i++)
                    target[i] = (float)((Half*)halves)[i];
                return;
            case DType.BFloat16:
                var uppers = (ushort*)source + at;
                for (; i <= count - 16; i += 16)
                    T.LoadBFloat16(uppers + i).Store(target + i);
                for (; i < count; i++)
                    target[i] = (float)((BFloat16*)uppers)[i];
                return;
            case DType.Float64:
                for (; i < count; i++)
                    target[i] = (float)((double*)source)[at + i];
                return;
            default:
                throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a floating-point type.");
        }
    }

    /// <summary>Rounds float32 numbers to the type, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Store<T>(DType dtype, float* source, void* target, long at, int count)
        where T : unmanaged, ILanes<T>
    {
        var i = 0;
        switch (dtype)
        {
            case DType.Float32:
                Buffer.MemoryCopy(source, (float*)target + at, (long)count * sizeof(float), (long)count * sizeof(float));
                return;
            case DType.Float16:
                var halves = (ushort*)target + at;
                for (; i <= count - 16; i += 16)
                    T.Load(source + i).StoreHalf(halves + i);
                for (; i < count; i++)
                    ((Half*)halves)[i] = (Half)source[i];
                return;
            case DType.BFloat16:
                var uppers = (ushort*)target + at;
                for (; i <= count - 16; i += 16)
                    T.Load(source + i).StoreBFloat16(uppers + i);
                for (; i < count; i++)
                    ((BFloat16*)uppers)[i] = (BFloat16)source[i];
                return;
            case DType.Float64:
                for (; i < count; i++)
                    ((double*)target)[at + i] = source[i];
                return;
            default:
                throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a floating-point type.");
        }
    }
}
