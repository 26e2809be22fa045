namespace ChatGLM.Tensors;

/// <summary>A kernel over a range of independent items (elements, rows, heads), written for any vector width. A struct that holds pointers and sizes.</summary>
internal interface ILaneBody
{
    /// <summary>Does the items from <paramref name="from"/> up to, not including, <paramref name="to"/>. What an item's result is does not depend on where the ranges are cut.</summary>
    void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>;
}
