namespace ChatGLM.Tensors;

/// <summary>Cuts a kernel's items into ranges for the threads, and picks the vector width.</summary>
internal readonly struct LaneRanges<TBody>(TBody body, long items, long itemsPerTask, int vectorBits) : IParallelBody
    where TBody : struct, ILaneBody
{
    public void Run(int task)
    {
        var from = task * itemsPerTask;
        Run(body, vectorBits, from, Math.Min(items, from + itemsPerTask));
    }

    public static void Run(in TBody body, int vectorBits, long from, long to)
    {
        switch (vectorBits)
        {
            case 512:
                body.Run<Lanes16>(from, to);
                break;
            case 256:
                body.Run<LanePair<Lanes8>>(from, to);
                break;
            case 128:
                body.Run<LanePair<LanePair<Lanes4>>>(from, to);
                break;
            default:
                body.Run<ScalarLanes>(from, to);
                break;
        }
    }
}
