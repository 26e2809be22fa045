using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>Makes the weight that holds merged adapters: summed in float32 and rounded once to the base's own type. The base's weight stays as it is, for unmerging.</summary>
internal static class MergedWeight
{
    /// <param name="weight">The base's weight.</param>
    /// <param name="path">The layer, for an error.</param>
    /// <param name="change">Changes a float32 copy of the weight, in place or by returning another.</param>
    public static Tensor Compute(Tensor weight, string path, Func<Tensor, Tensor> change)
    {
        using var noGrad = GradMode.NoGrad();
        using var outliving = TensorScope.Suspend();
        using var scope = new TensorScope();
        var backend = weight.Backend;
        var wide = change(weight.DType == DType.Float32 ? backend.Copy(weight) : backend.Cast(weight, DType.Float32));
        var merged = weight.DType == DType.Float32 ? wide : backend.Cast(wide, weight.DType);
        // A half overflows at 65504, where the float32 sum is still finite.
        if (!double.IsFinite(backend.SumOfSquares(merged.DType == DType.Float16 ? backend.Cast(merged, DType.Float32) : wide)))
            throw new AdapterMergeException($"{path}: the merged weight holds NaN or infinity, so the adapter or the base is damaged. Nothing was changed.");
        return scope.Keep(merged);
    }

    public static void Free(LinearWeight weight)
    {
        foreach (var (_, tensor) in weight.Tensors)
            tensor.Dispose();
    }
}
