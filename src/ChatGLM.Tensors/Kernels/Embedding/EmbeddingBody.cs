using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Copies, or widens, row ids[i] of the table to row i.</summary>
internal readonly unsafe struct EmbeddingBody(long* ids, DType dtype, void* table, float* y, int width) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var i = from; i < to; i++)
            FloatStore.Load<T>(dtype, table, ids[i] * width, y + (i * width), width);
    }
}
