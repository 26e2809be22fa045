using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The last few numbers of a row, fewer than there are lanes: nothing outside the row is read or written.</summary>
internal static unsafe class LaneTail
{
    /// <summary>Loads <paramref name="count"/> numbers; the other lanes hold <paramref name="fill"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static T Load<T>(float* source, int count, float fill = 0)
        where T : unmanaged, ILanes<T>
    {
        var lanes = stackalloc float[16];
        T.Broadcast(fill).Store(lanes);
        Unsafe.CopyBlockUnaligned(lanes, source, (uint)count * sizeof(float));
        return T.Load(lanes);
    }

    /// <summary>Loads a mask from <paramref name="count"/> bytes; the other lanes are not set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static T LoadNonZero<T>(byte* source, int count)
        where T : unmanaged, ILanes<T>
    {
        var bytes = stackalloc byte[16];
        new Span<byte>(bytes, 16).Clear();
        Unsafe.CopyBlockUnaligned(bytes, source, (uint)count);
        return T.LoadNonZero(bytes);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Store<T>(T value, float* target, int count)
        where T : unmanaged, ILanes<T>
    {
        var lanes = stackalloc float[16];
        value.Store(lanes);
        Unsafe.CopyBlockUnaligned(target, lanes, (uint)count * sizeof(float));
    }
}
