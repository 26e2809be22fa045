namespace ChatGLM.Tensors;

/// <summary>Copies row rows[i] to row i.</summary>
internal readonly unsafe struct SelectRowsBody(byte* source, byte* target, int* rows, long bytesPerRow) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var i = from; i < to; i++)
            Buffer.MemoryCopy(source + (rows[i] * bytesPerRow), target + (i * bytesPerRow), bytesPerRow, bytesPerRow);
    }
}
