namespace ChatGLM.Tensors;

/// <summary>Copies equally long runs of bytes between two regular layouts: run i goes from source + i * sourceStride to target + i * targetStride.</summary>
internal readonly unsafe struct BlockCopyBody(byte* source, long sourceStride, byte* target, long targetStride, long byteLength) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var i = from; i < to; i++)
            Buffer.MemoryCopy(source + (i * sourceStride), target + (i * targetStride), byteLength, byteLength);
    }
}
