namespace ChatGLM.Tensors;

/// <summary>Sets elements to one value.</summary>
internal readonly unsafe struct FillBody<TElement>(TElement* target, TElement value) : ILaneBody
    where TElement : unmanaged
{
    private const int MaxRun = 1 << 28;

    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (; from < to; from += MaxRun)
            new Span<TElement>(target + from, (int)Math.Min(MaxRun, to - from)).Fill(value);
    }
}
