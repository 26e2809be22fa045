namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>The tensors one after the other along an axis (<c>torch.cat</c>).</summary>
    /// <param name="tensors">At least one; all of one type, and of one shape but for the axis.</param>
    /// <param name="axis">The axis; negative counts from the innermost.</param>
    public static Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis)
    {
        if (tensors.Length == 0)
            throw new TensorException(nameof(Concat), "expected at least one tensor, found none.");
        var first = tensors[0];
        axis = Require.Axis(nameof(Concat), first, axis);
        foreach (var tensor in tensors[1..])
        {
            Require.ElementType(nameof(Concat), "tensors", tensor, first.DType);
            Require.SameBackend(nameof(Concat), first, tensor);
            Require.Rank(nameof(Concat), "tensors", tensor, first.Shape.Rank, $"{first.Shape.Rank} axes");
            Require.Shape(nameof(Concat), "tensors", tensor, first.Shape.With(axis, tensor.Shape[axis]));
        }

        var y = first.Backend.Concat(tensors, axis);
        return GradFunction.Records(tensors!) ? new ConcatFunction(tensors, axis).Attach(y) : y;
    }

    /// <summary>A part of an axis (<c>torch.narrow</c>, copied).</summary>
    /// <param name="x">Of any type.</param>
    /// <param name="axis">The axis; negative counts from the innermost.</param>
    /// <param name="start">The first entry.</param>
    /// <param name="length">The number of entries.</param>
    public static Tensor Slice(Tensor x, int axis, int start, int length)
    {
        axis = Require.Axis(nameof(Slice), x, axis);
        if (start < 0 || length < 0 || start > x.Shape[axis] - length)
            throw new TensorException(nameof(Slice), $"entries {start}..{(long)start + length} are not inside the {x.Shape[axis]} of axis {axis} of {x.Shape}.");
        var y = x.Backend.Slice(x, axis, start, length);
        return GradFunction.Records(x) ? new SliceFunction(x, axis, start).Attach(y) : y;
    }

    /// <summary>The axes in another order (<c>torch.permute</c>, copied): axis i of the result is axis <c>axes[i]</c> of x.</summary>
    /// <param name="x">Of any type.</param>
    /// <param name="axes">Each axis once.</param>
    public static Tensor Permute(Tensor x, params ReadOnlySpan<int> axes)
    {
        Span<int> inverse = stackalloc int[Shape.MaxRank];
        inverse.Fill(-1);
        var valid = axes.Length == x.Shape.Rank;
        for (var i = 0; valid && i < axes.Length; i++)
        {
            valid = (uint)axes[i] < (uint)axes.Length && inverse[axes[i]] < 0;
            if (valid)
                inverse[axes[i]] = i;
        }

        if (!valid)
            throw new TensorException(nameof(Permute), $"axes: expected each axis of {x.Shape} once, found [{string.Join(", ", axes.ToArray())}].");
        var y = x.Backend.Permute(x, axes);
        return GradFunction.Records(x) ? new PermuteFunction(x, inverse[..axes.Length].ToArray()).Attach(y) : y;
    }

    /// <summary>Another element type. Between floating-point types it takes part in the tape.</summary>
    /// <param name="x">Of any type.</param>
    /// <param name="dtype">The type of the result.</param>
    /// <returns>The converted copy; x itself if it has the type already.</returns>
    public static Tensor Cast(Tensor x, DType dtype)
    {
        if (x.DType == dtype)
            return x;
        var y = x.Backend.Cast(x, dtype);
        return dtype.IsFloatingPoint() && GradFunction.Records(x) ? new CastFunction(x).Attach(y) : y;
    }

    private sealed class ConcatFunction : GradFunction
    {
        private readonly int _axis;
        private readonly int[] _lengths;

        public ConcatFunction(ReadOnlySpan<Tensor> tensors, int axis)
            : base(tensors!)
        {
            _axis = axis;
            _lengths = new int[tensors.Length];
            for (var i = 0; i < tensors.Length; i++)
                _lengths[i] = tensors[i].Shape[axis];
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            for (int i = 0, start = 0; i < _lengths.Length; start += _lengths[i++])
            {
                if (NeedsGrad(i))
                    sink.Add(i, dy.Backend.Slice(dy, _axis, start, _lengths[i]));
            }
        }
    }

    private sealed class SliceFunction(Tensor x, int axis, int start) : GradFunction(x)
    {
        private readonly Shape _shape = x.Shape;

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            var dx = Tensor.Zeros(_shape, DType.Float32, dy.Backend);
            dx.Backend.WriteSlice(dx, dy, axis, start);
            sink.Add(0, dx);
        }
    }

    private sealed class PermuteFunction(Tensor x, int[] inverse) : GradFunction(x)
    {
        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) =>
            sink.Add(0, gradOutputs[0]!.Backend.Permute(gradOutputs[0]!, inverse));
    }

    // Gradients are float32 whatever the type of what they belong to, so the conversion's own is the identity.
    private sealed class CastFunction(Tensor x) : GradFunction(x)
    {
        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) => sink.Add(0, gradOutputs[0]!);
    }
}
