using System.Diagnostics;

namespace ChatGLM.Tensors;

/// <summary>
/// A handle on numbers: a shape, an element type and a place in some storage, row-major and contiguous. It is also a node of the tape when it
/// takes part in training. Nobody has to dispose a tensor: inside a <see cref="TensorScope"/>, which the models open, handles go with the scope,
/// the tape frees what it kept as the backward pass uses it, and the rest is found by the garbage collector.
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
public sealed partial class Tensor : IDisposable
{
    private readonly Shape _shape;
    private TensorStorage? _storage;

    /// <summary>Wraps storage. The new tensor takes over the caller's reference, and belongs to the current <see cref="TensorScope"/> if there is one.</summary>
    /// <param name="backend">The backend that computes on the storage.</param>
    /// <param name="storage">The memory.</param>
    /// <param name="shape">The axis lengths.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="byteOffset">Where in the storage the first element lies.</param>
    /// <exception cref="TensorException">The elements do not fit in the storage.</exception>
    public Tensor(Backend backend, TensorStorage storage, in Shape shape, DType dtype, long byteOffset = 0)
        : this(backend, storage, shape, dtype, byteOffset, scoped: true)
    {
    }

    private Tensor(Backend backend, TensorStorage storage, in Shape shape, DType dtype, long byteOffset, bool scoped)
    {
        var byteLength = shape.ElementCount * dtype.SizeInBytes();
        if (byteOffset < 0 || byteOffset > storage.ByteLength - byteLength)
            throw new TensorException(nameof(Tensor), $"{shape} {dtype} at byte {byteOffset} needs {byteLength} bytes, the storage has {storage.ByteLength}.");
        Backend = backend;
        _storage = storage;
        _shape = shape;
        DType = dtype;
        ByteOffset = byteOffset;
        if (scoped)
            TensorScope.Current?.Adopt(this);
    }

    /// <summary>The backend that computes on this tensor.</summary>
    public Backend Backend { get; private set; }

    /// <summary>Where the numbers lie.</summary>
    public Device Device => Backend.Device;

    /// <summary>The axis lengths.</summary>
    public ref readonly Shape Shape => ref _shape;

    /// <summary>The element type.</summary>
    public DType DType { get; private set; }

    /// <summary>Where in <see cref="Storage"/> the first element lies.</summary>
    public long ByteOffset { get; private set; }

    /// <summary>The size of the elements in bytes.</summary>
    public long ByteLength => _shape.ElementCount * DType.SizeInBytes();

    /// <summary>The number of elements.</summary>
    public long ElementCount => _shape.ElementCount;

    /// <summary>The memory that this tensor looks at.</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed, or went with its scope.</exception>
    public TensorStorage Storage => _storage ?? throw new ObjectDisposedException(nameof(Tensor), $"This tensor {_shape} was disposed, or went with its TensorScope; keep it with TensorScope.Keep.");

    /// <summary>Whether the handle has given its storage back.</summary>
    public bool IsDisposed => _storage is null;

    internal TensorScope? Scope { get; set; }

    /// <summary>Gives the handle's reference to the storage back. Other handles on the same storage, and the tape, keep theirs.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _storage, null)?.Release();
        Scope = null;
    }

    /// <summary>
    /// Gives a view into a mapped file memory of its own, so that it can be written to. Kernels that write in place call it: full fine-tuning of mapped weights
    /// copies each one when the optimizer first touches it, and never before.
    /// </summary>
    public void MakeWritable()
    {
        if (Storage is MappedFile)
            MoveToCopy();
    }

    /// <summary>Where this tensor looks at a mapped file: says that its pages will not be looked at soon, so that they no longer count as memory of the process (<see cref="MappedFile.ReleasePages"/>). Its
    /// numbers stay. Elsewhere nothing happens.</summary>
    /// <param name="fromCache">Whether they leave the page cache as well.</param>
    public void ReleasePages(bool fromCache = false)
    {
        if (Storage is MappedFile file)
            file.ReleasePages(ByteOffset, ByteLength, fromCache);
    }

    /// <summary>Shape and element type, and the value of a single number.</summary>
    public override string ToString() => _storage is null ? $"Tensor {_shape} {DType}, disposed" : $"Tensor {_shape} {DType} on {Device}";

    /// <summary>Whether writing to this handle's memory would be seen by another handle, or is impossible.</summary>
    internal bool IsShared => Storage is var storage && (storage.IsShared || storage is MappedFile);

    /// <summary>Moves this handle to a copy of its numbers if another handle looks at them too, so that they can be changed in place.</summary>
    internal void Unshare()
    {
        if (IsShared)
            MoveToCopy();
    }

    /// <summary>A second handle on the same storage that belongs to no scope and to no tape: what outlives a step.</summary>
    internal Tensor Alias()
    {
        var storage = Storage;
        storage.Retain();
        return new Tensor(Backend, storage, _shape, DType, ByteOffset, scoped: false);
    }

    private void MoveToCopy()
    {
        using (TensorScope.Suspend())
        {
            var copy = Backend.Copy(this);
            ByteOffset = copy.ByteOffset;
            copy._storage = Interlocked.Exchange(ref _storage, copy._storage);
            copy.Dispose();
        }
    }
}
