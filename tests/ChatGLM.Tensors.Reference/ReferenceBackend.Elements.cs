namespace ChatGLM.Tensors;

public unsafe partial class ReferenceBackend
{
    private static double Get(Tensor x, long i)
    {
        var at = AddressOf(x);
        return x.DType switch
        {
            DType.Float32 => ((float*)at)[i],
            DType.Float16 => (double)((Half*)at)[i],
            DType.BFloat16 => (float)((BFloat16*)at)[i],
            DType.Float64 => ((double*)at)[i],
            _ => GetInteger(x, i),
        };
    }

    private static long GetInteger(Tensor x, long i)
    {
        var at = AddressOf(x);
        return x.DType switch
        {
            DType.Int64 => ((long*)at)[i],
            DType.Int32 => ((int*)at)[i],
            DType.Int16 => ((short*)at)[i],
            DType.Int8 => ((sbyte*)at)[i],
            _ => ((byte*)at)[i],
        };
    }

    private static void Set(Tensor x, long i, double value)
    {
        var at = AddressOf(x);
        switch (x.DType)
        {
            case DType.Float32: ((float*)at)[i] = (float)value; break;
            case DType.Float16: ((Half*)at)[i] = (Half)(float)value; break;
            case DType.BFloat16: ((BFloat16*)at)[i] = (BFloat16)(float)value; break;
            case DType.Float64: ((double*)at)[i] = value; break;
            case DType.Bool: ((byte*)at)[i] = value != 0 ? (byte)1 : (byte)0; break;
            default: SetInteger(x, i, (long)value); break;
        }
    }

    private static void SetInteger(Tensor x, long i, long value)
    {
        var at = AddressOf(x);
        switch (x.DType)
        {
            case DType.Int64: ((long*)at)[i] = value; break;
            case DType.Int32: ((int*)at)[i] = (int)value; break;
            case DType.Int16: ((short*)at)[i] = (short)value; break;
            case DType.Int8: ((sbyte*)at)[i] = (sbyte)value; break;
            case DType.Bool: ((byte*)at)[i] = value != 0 ? (byte)1 : (byte)0; break;
            default: ((byte*)at)[i] = (byte)value; break;
        }
    }

    private static void CopyElement(Tensor source, long from, Tensor target, long to)
    {
        var size = source.DType.SizeInBytes();
        Buffer.MemoryCopy((byte*)AddressOf(source) + (from * size), (byte*)AddressOf(target) + (to * size), size, size);
    }

    private static int[] Unravel(long i, in Shape shape)
    {
        var index = new int[shape.Rank];
        for (var axis = shape.Rank - 1; axis >= 0; axis--)
        {
            index[axis] = (int)(i % shape[axis]);
            i /= shape[axis];
        }

        return index;
    }

    private static long Ravel(int[] index, in Shape shape)
    {
        long i = 0;
        for (var axis = 0; axis < index.Length; axis++)
            i = (i * shape[axis]) + index[axis];
        return i;
    }

    private static nint AddressOf(Tensor x) => ((HostStorage)x.Storage).Pointer + (nint)x.ByteOffset;
}
