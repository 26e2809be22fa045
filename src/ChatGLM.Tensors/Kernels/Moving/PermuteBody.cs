namespace ChatGLM.Tensors;

/// <summary>Gathers a permuted tensor: item i is run i of the result's innermost axis. Single elements are moved by their size, longer runs as blocks of bytes.</summary>
internal readonly unsafe struct PermuteBody(byte* source, byte* target, PermutePlan plan) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        switch (plan.ElementBytes)
        {
            case 1:
                Move<byte>(from, to);
                break;
            case 2:
                Move<ushort>(from, to);
                break;
            case 4:
                Move<uint>(from, to);
                break;
            case 8:
                Move<ulong>(from, to);
                break;
            default:
                MoveBlocks(from, to);
                break;
        }
    }

    private void Move<TElement>(long from, long to)
        where TElement : unmanaged
    {
        var inner = plan.Rank - 1;
        var (length, stride) = (plan.Length(inner), plan.Stride(inner));
        for (var run = from; run < to; run++)
        {
            var read = (TElement*)source + SourceOffset(run);
            var write = (TElement*)target + (run * length);
            for (long i = 0; i < length; i++)
                write[i] = read[i * stride];
        }
    }

    private void MoveBlocks(long from, long to)
    {
        var inner = plan.Rank - 1;
        var (length, stride, bytes) = (plan.Length(inner), plan.Stride(inner), plan.ElementBytes);
        for (var run = from; run < to; run++)
        {
            var read = source + (SourceOffset(run) * bytes);
            var write = target + (run * length * bytes);
            for (long i = 0; i < length; i++)
                Buffer.MemoryCopy(read + (i * stride * bytes), write + (i * bytes), bytes, bytes);
        }
    }

    private long SourceOffset(long run)
    {
        long offset = 0;
        for (var axis = plan.Rank - 2; axis >= 0; axis--)
        {
            (run, var index) = Math.DivRem(run, plan.Length(axis));
            offset += index * plan.Stride(axis);
        }

        return offset;
    }
}
