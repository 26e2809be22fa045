namespace ChatGLM.Formats;

/// <summary>A numpy array out of a file of <c>torch.save</c>, as <c>rng_state.pth</c> holds one.</summary>
public sealed class NumpyArray
{
    private bool _isFilled;

    internal NumpyArray()
    {
    }

    /// <summary>numpy's name of the element type, such as <c>u4</c>.</summary>
    public string DType { get; private set; } = "u1";

    /// <summary>The length of each axis.</summary>
    public IReadOnlyList<long> Shape { get; private set; } = [0];

    /// <summary>The elements in order, little-endian.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>Takes what BUILD sets: version, shape, type, whether columns come first, and the bytes. Returns what is wrong, or null.</summary>
    internal string? Fill(object? state)
    {
        if (_isFilled)
            return "a numpy array is filled twice";
        if (state is not PickleSequence { Items: [long, PickleSequence { Items: var sizes }, NumpyDType dtype, var isFortran, byte[] bytes] })
            return "a numpy array is not described by a version, a shape, a type and its bytes";
        var shape = new long[sizes.Count];
        long elements = 1;
        for (var axis = 0; axis < shape.Length; axis++)
        {
            if (sizes[axis] is not long size || size < 0 || size > bytes.Length)
                return "the shape of a numpy array does not fit its bytes";
            shape[axis] = size;
            // Neither factor is larger than the bytes of the file, so that this cannot overflow; what is too large is refused before the next axis.
            elements *= size;
            if (elements > bytes.Length)
                return "the shape of a numpy array does not fit its bytes";
        }

        if (elements * dtype.SizeInBytes != bytes.Length)
            return $"a numpy array of {elements} elements of {dtype.Code} has {bytes.Length} bytes";
        if (isFortran is true && shape.Length > 1)
            return "a numpy array has its columns first, which is not read";
        (_isFilled, DType, Shape, Bytes) = (true, dtype.Code, shape, bytes);
        return null;
    }
}
