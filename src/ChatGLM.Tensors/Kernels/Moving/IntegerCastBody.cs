using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Converts where an integer type or bool takes part: by way of int64, or of float64 when the other type is floating-point.</summary>
internal readonly unsafe struct IntegerCastBody(DType sourceType, void* source, DType targetType, void* target) : ILaneBody
{
    private const int BlockLength = 256;

    [SkipLocalsInit]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var floats = stackalloc double[BlockLength];
        var integers = stackalloc long[BlockLength];
        for (; from < to; from += BlockLength)
        {
            var count = (int)Math.Min(to - from, BlockLength);
            if (sourceType.IsFloatingPoint())
            {
                LoadFloats(from, floats, count);
                if (targetType == DType.Bool)
                {
                    for (var i = 0; i < count; i++)
                        integers[i] = floats[i] != 0 ? 1 : 0;
                }
                else
                {
                    for (var i = 0; i < count; i++)
                        integers[i] = (long)floats[i];
                }

                StoreIntegers(integers, from, count);
                continue;
            }

            LoadIntegers(from, integers, count);
            if (targetType.IsFloatingPoint())
                StoreFloats(integers, from, count);
            else
                StoreIntegers(integers, from, count);
        }
    }

    private void LoadFloats(long at, double* values, int count)
    {
        for (var i = 0; i < count; i++)
        {
            values[i] = sourceType switch
            {
                DType.Float32 => ((float*)source)[at + i],
                DType.Float16 => (double)((Half*)source)[at + i],
                DType.BFloat16 => (float)((BFloat16*)source)[at + i],
                _ => ((double*)source)[at + i],
            };
        }
    }

    private void StoreFloats(long* values, long at, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var value = (double)values[i];
            switch (targetType)
            {
                case DType.Float32: ((float*)target)[at + i] = (float)value; break;
                case DType.Float16: ((Half*)target)[at + i] = (Half)(float)value; break;
                case DType.BFloat16: ((BFloat16*)target)[at + i] = (BFloat16)(float)value; break;
                default: ((double*)target)[at + i] = value; break;
            }
        }
    }

    private void LoadIntegers(long at, long* values, int count)
    {
        for (var i = 0; i < count; i++)
        {
            values[i] = sourceType switch
            {
                DType.Int64 => ((long*)source)[at + i],
                DType.Int32 => ((int*)source)[at + i],
                DType.Int16 => ((short*)source)[at + i],
                DType.Int8 => ((sbyte*)source)[at + i],
                _ => ((byte*)source)[at + i],
            };
        }
    }

    private void StoreIntegers(long* values, long at, int count)
    {
        for (var i = 0; i < count; i++)
        {
            switch (targetType)
            {
                case DType.Int64: ((long*)target)[at + i] = values[i]; break;
                case DType.Int32: ((int*)target)[at + i] = (int)values[i]; break;
                case DType.Int16: ((short*)target)[at + i] = (short)values[i]; break;
                case DType.Int8: ((sbyte*)target)[at + i] = (sbyte)values[i]; break;
                case DType.Bool: ((byte*)target)[at + i] = values[i] != 0 ? (byte)1 : (byte)0; break;
                default: ((byte*)target)[at + i] = (byte)values[i]; break;
            }
        }
    }
}
