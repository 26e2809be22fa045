using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// A permutation of axes brought to its simplest form: axes of length 1 are dropped, axes that stay neighbours are joined, and an innermost axis that stays innermost becomes
/// part of the element. What is left is walked in the order of the result.
/// </summary>
internal unsafe struct PermutePlan
{
    /// <summary>The number of axes left.</summary>
    public int Rank;

    /// <summary>The bytes that are copied as one.</summary>
    public long ElementBytes;

    private Axes _lengths;
    private Axes _strides;

    /// <summary>The length of an axis of the result, outermost first.</summary>
    public readonly long Length(int axis) => _lengths[axis];

    /// <summary>How many elements of the source lie between neighbours along an axis of the result.</summary>
    public readonly long Stride(int axis) => _strides[axis];

    public static PermutePlan Create(in Shape shape, ReadOnlySpan<int> axes, int elementBytes)
    {
        var sourceStrides = stackalloc long[Shape.MaxRank];
        long stride = 1;
        for (var axis = shape.Rank - 1; axis >= 0; axis--)
        {
            sourceStrides[axis] = stride;
            stride *= shape[axis];
        }

        var plan = new PermutePlan { ElementBytes = elementBytes };
        foreach (var axis in axes)
        {
            if (shape[axis] == 1)
                continue;
            var last = plan.Rank - 1;
            if (last >= 0 && plan._strides[last] == sourceStrides[axis] * shape[axis])
            {
                plan._lengths[last] *= shape[axis];
                plan._strides[last] = sourceStrides[axis];
            }
            else
            {
                plan._lengths[plan.Rank] = shape[axis];
                plan._strides[plan.Rank++] = sourceStrides[axis];
            }
        }

        if (plan.Rank > 0 && plan._strides[plan.Rank - 1] == 1)
        {
            var joined = plan._lengths[--plan.Rank];
            plan.ElementBytes *= joined;
            for (var axis = 0; axis < plan.Rank; axis++)
                plan._strides[axis] /= joined;
        }

        return plan;
    }

    [InlineArray(Shape.MaxRank)]
    private struct Axes
    {
        private long _first;
    }
}
