namespace ChatGLM.Tensors;

/// <summary>What operations ask of their tensors, in one wording. A kernel is only reached by tensors that it can read in place.</summary>
internal static class Require
{
    public static void Float32(string operation, string name, Tensor tensor)
    {
        if (tensor.DType != DType.Float32)
            throw new TensorException(operation, $"{name}: expected float32, found {Describe(tensor)}; use Cast.");
    }

    public static void FloatingPoint(string operation, string name, Tensor tensor)
    {
        // float64 is stored and converted, no kernel computes in it.
        if (tensor.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new TensorException(operation, $"{name}: expected float32, float16 or bfloat16, found {Describe(tensor)}; use Cast.");
    }

    public static void ElementType(string operation, string name, Tensor tensor, DType dtype)
    {
        if (tensor.DType != dtype)
            throw new TensorException(operation, $"{name}: expected {dtype.TorchName()}, found {Describe(tensor)}.");
    }

    public static void Shape(string operation, string name, Tensor tensor, in Shape shape)
    {
        if (tensor.Shape != shape)
            throw new TensorException(operation, $"{name}: expected {shape}, found {tensor.Shape}.");
    }

    public static void Rank(string operation, string name, Tensor tensor, int rank, string axes)
    {
        if (tensor.Shape.Rank != rank)
            throw new TensorException(operation, $"{name}: expected {axes}, found {tensor.Shape}.");
    }

    /// <summary>At least one axis, the innermost of a given length.</summary>
    public static void Width(string operation, string name, Tensor tensor, int width)
    {
        if (tensor.Shape.Rank == 0 || tensor.Shape[^1] != width)
            throw new TensorException(operation, $"{name}: expected [..., {width}], found {tensor.Shape}.");
    }

    public static void Suffix(string operation, Tensor a, Tensor b)
    {
        if (!b.Shape.IsSuffixOf(a.Shape))
            throw new TensorException(operation, $"b: expected {a.Shape} or its innermost axes, which are repeated along the outer ones, found {b.Shape}.");
    }

    public static int Axis(string operation, Tensor tensor, int axis)
    {
        var counted = axis < 0 ? axis + tensor.Shape.Rank : axis;
        return (uint)counted < (uint)tensor.Shape.Rank
            ? counted
            : throw new TensorException(operation, $"axis: expected one of the {tensor.Shape.Rank} axes of {tensor.Shape}, found {axis}.");
    }

    public static void SameBackend(string operation, Tensor first, params ReadOnlySpan<Tensor?> others)
    {
        foreach (var other in others)
        {
            if (other is not null)
                SameBackend(operation, first.Backend, other.Backend);
        }
    }

    public static void SameBackend(string operation, Backend first, Backend other)
    {
        if (!ReferenceEquals(first, other))
            throw new TensorException(operation, $"the tensors belong to different backends ({first.GetType().Name} on {first.Device}, {other.GetType().Name} on {other.Device}); make them on the same one.");
    }

    private static string Describe(Tensor tensor) => $"{tensor.DType.TorchName()} {tensor.Shape}";
}
