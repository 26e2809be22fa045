namespace ChatGLM.Tensors;

public sealed partial class Tensor
{
    /// <summary>The same numbers under another shape, without copying. At most one length may be -1: it is worked out. Takes part in the tape.</summary>
    /// <exception cref="TensorException">The number of elements differs.</exception>
    public Tensor Reshape(params ReadOnlySpan<int> lengths) => Functional.Reshape(this, ResolveShape(lengths));

    /// <summary>The same numbers, cut loose from the tape.</summary>
    public Tensor Detach() => View(Shape, 0);

    /// <summary>A view of a part of the storage; not recorded on the tape.</summary>
    internal Tensor View(in Shape shape, long byteOffset)
    {
        var storage = Storage;
        storage.Retain();
        return new Tensor(Backend, storage, shape, DType, ByteOffset + byteOffset);
    }

    /// <summary>Whole entries of the outermost axis, without copying; not recorded on the tape.</summary>
    internal Tensor Rows(int start, int count)
    {
        if (start < 0 || count < 0 || start > Shape[0] - count)
            throw new TensorException(nameof(Rows), $"{start}..{start + count} is not inside {Shape}.");
        var bytesPerRow = Shape[0] == 0 ? 0 : ByteLength / Shape[0];
        return View(Shape.With(0, count), start * bytesPerRow);
    }

    private Shape ResolveShape(ReadOnlySpan<int> lengths)
    {
        Span<int> resolved = stackalloc int[lengths.Length];
        lengths.CopyTo(resolved);
        var unknown = resolved.IndexOf(-1);
        if (unknown >= 0)
        {
            resolved[unknown] = 1;
            var known = new Shape(resolved).ElementCount;
            if (known == 0 || ElementCount % known != 0)
                throw new TensorException(nameof(Reshape), $"{Shape} cannot be seen as [{string.Join(", ", lengths.ToArray())}].");
            resolved[unknown] = checked((int)(ElementCount / known));
        }

        var shape = new Shape(resolved);
        return shape.ElementCount == ElementCount
            ? shape
            : throw new TensorException(nameof(Reshape), $"{Shape} has {ElementCount} elements, {shape} has {shape.ElementCount}.");
    }
}
