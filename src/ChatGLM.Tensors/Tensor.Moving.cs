namespace ChatGLM.Tensors;

public sealed partial class Tensor
{
    /// <summary>Bytes that go from one backend to another at a time.</summary>
    private const int TransferBytes = 1 << 24;

    /// <summary>A copy on another backend, cut loose from the tape; another handle on the same numbers where they lie there already.</summary>
    /// <param name="backend">Where the copy lies.</param>
    public Tensor On(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        if (ReferenceEquals(backend, Backend))
            return Detach();
        var copy = Empty(Shape, DType, backend);
        var buffer = new byte[Math.Min(TransferBytes, ByteLength)];
        for (long at = 0; at < ByteLength; at += buffer.Length)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, ByteLength - at));
            Backend.Read(this, at, part);
            backend.Write(copy, at, part);
        }

        return copy;
    }

    /// <summary>Moves this handle itself to another backend or element type, its gradient too: whoever holds a parameter holds the moved one. Other handles on the same storage stay where they are.</summary>
    /// <param name="backend">Where the numbers are to lie.</param>
    /// <param name="dtype">Their element type; the same if null.</param>
    /// <exception cref="TensorException">This is the result of a recorded operation.</exception>
    public void MoveTo(Backend backend, DType? dtype = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        if (Function is not null)
            throw new TensorException(nameof(MoveTo), "this is the result of a recorded operation; move the parameters before the forward pass.");
        var type = dtype ?? DType;
        if (ReferenceEquals(backend, Backend) && type == DType)
            return;
        using (TensorScope.Suspend())
        {
            using var converted = type == DType ? null : Backend.Cast(this, type);
            var moved = (converted ?? this).On(backend);
            Grad?.MoveTo(backend);
            ByteOffset = moved.ByteOffset;
            moved._storage = Interlocked.Exchange(ref _storage, moved._storage);
            moved.Dispose();
        }

        (Backend, DType) = (backend, type);
    }
}
