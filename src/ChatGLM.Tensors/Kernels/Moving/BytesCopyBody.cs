namespace ChatGLM.Tensors;

/// <summary>Copies bytes.</summary>
internal readonly unsafe struct BytesCopyBody(byte* source, byte* target) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T> => Buffer.MemoryCopy(source + from, target + from, to - from, to - from);
}
