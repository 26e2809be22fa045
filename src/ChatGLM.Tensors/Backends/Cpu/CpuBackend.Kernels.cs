namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // A hand-over to another thread costs about as much as 16 KiB of simple work.
    private const long MinElementsPerTask = 16 * 1024;

    /// <summary>Runs a kernel over its items on all threads.</summary>
    /// <param name="items">How many there are.</param>
    /// <param name="elementsPerItem">About how many numbers one item touches: small work is not handed over.</param>
    /// <param name="body">The kernel.</param>
    /// <param name="multiple">Ranges begin at a multiple of this.</param>
    private void Parallel<TBody>(long items, long elementsPerItem, in TBody body, int multiple = 1)
        where TBody : struct, ILaneBody
    {
        var minItems = Math.Max(1, MinElementsPerTask / Math.Max(1, elementsPerItem));
        var tasks = Pool.TasksFor(items, minItems);
        if (tasks <= 1)
        {
            if (items > 0)
                LaneRanges<TBody>.Run(body, VectorBits, 0, items);
            return;
        }

        var itemsPerTask = ((items + tasks - 1) / tasks + multiple - 1) / multiple * multiple;
        Pool.Run((int)((items + itemsPerTask - 1) / itemsPerTask), new LaneRanges<TBody>(body, items, itemsPerTask, VectorBits));
    }

    private static void RequireFloat32(string operation, Tensor tensor, string name)
    {
        if (tensor.DType != DType.Float32)
            throw new TensorException(operation, $"{name} must be float32, it is {tensor.DType} {tensor.Shape}; use Cast.");
    }

    private static void RequireFloat32(string operation, Tensor first, string firstName, Tensor second, string secondName)
    {
        RequireFloat32(operation, first, firstName);
        RequireFloat32(operation, second, secondName);
    }
}
