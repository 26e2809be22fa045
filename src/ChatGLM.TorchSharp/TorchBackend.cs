using System.Runtime.CompilerServices;
using global::TorchSharp;

namespace ChatGLM.TorchSharp;

/// <summary>
/// The engine's kernels on libtorch, through TorchSharp: on an NVIDIA GPU, or on the processor. Load a model onto it with <c>ModelOptions.Backend</c>, or move one with <c>model.To(backend)</c>; everything above the
/// kernels stays as it is. Each kernel frees what it needs in between; results live as long as the engine's own handles on them.
/// </summary>
/// <remarks>
/// The same seed gives the same bits on the processor. On a GPU, libtorch adds up the gradient of an embedding in no fixed order, and chooses other matrix kernels for other numbers of rows.
/// </remarks>
public sealed partial class TorchBackend : Backend
{
    private readonly Torch.Device _device;
    private readonly ThreadLocal<TorchScalars> _scalars = new(() => new TorchScalars());
    private WeakReference<Tensor>? _checkedPositions;

    /// <summary>Opens a device.</summary>
    /// <param name="options">Device and precision; the processor in float32 if null.</param>
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded, or there is no such device.</exception>
    /// <exception cref="ArgumentException">The compute type is not a floating-point type that products can be computed in.</exception>
    public TorchBackend(TorchBackendOptions? options = null)
    {
        Options = options ?? new TorchBackendOptions();
        if (Options.ComputeType is not (null or DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new ArgumentException($"ComputeType: expected float32, float16 or bfloat16, found {Options.ComputeType}.", nameof(options));
        _device = TorchDevices.Open(Options.Device);
    }

    /// <summary>Opens a device with its default precision.</summary>
    /// <inheritdoc cref="TorchBackend(TorchBackendOptions?)" path="/exception"/>
    public TorchBackend(Device device)
        : this(new TorchBackendOptions { Device = device })
    {
    }

    /// <summary>Device and precision.</summary>
    public TorchBackendOptions Options { get; }

    /// <inheritdoc/>
    public override Device Device => Options.Device;

    /// <summary>What the tensors of this backend hold.</summary>
    public TorchMemory Memory { get; } = new();

    private bool IsHost => Options.Device.Type == Device.Cpu.Type;

    /// <inheritdoc/>
    public override TensorStorage Allocate(DType dtype, long elementCount) =>
        new TorchStorage(Memory, Detached(Torch.empty([elementCount], dtype.ToTorch(), _device)), dtype);

    /// <inheritdoc/>
    public override unsafe Tensor Adopt(MappedFile file, long byteOffset, in Shape shape, DType dtype)
    {
        var byteLength = shape.ElementCount * dtype.SizeInBytes();
        if (byteOffset < 0 || byteOffset > file.ByteLength - byteLength)
            throw new TensorException(nameof(Adopt), $"{shape} {dtype} at byte {byteOffset} needs {byteLength} bytes, the file has {file.ByteLength}.");
        var tensor = Tensor.Empty(shape, dtype, this);
        for (long at = 0; at < byteLength; at += MaxTransferBytes)
            Write(tensor, at, new ReadOnlySpan<byte>((byte*)file.Pointer + byteOffset + at, (int)Math.Min(MaxTransferBytes, byteLength - at)));
        GC.KeepAlive(file);
        return tensor;
    }

    /// <summary>A tensor of this backend with the values of one of libtorch, wherever that lies; it keeps its own memory.</summary>
    /// <param name="source">Any tensor; its element type must be one that the engine knows.</param>
    /// <exception cref="TensorException">There is no such element type here.</exception>
    public Tensor FromTorch(Torch.Tensor source)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var scope = Torch.NewDisposeScope();
        source.dtype.FromTorch();
        return Wrap(Fresh(source.detach().to(_device)));
    }

    /// <summary>A copy of one of this backend's tensors as libtorch's, for the caller to dispose.</summary>
    internal Torch.Tensor ToTorch(Tensor source)
    {
        using var scope = Torch.NewDisposeScope();
        var copy = Detached(View(source).clone());
        GC.KeepAlive(source);
        return copy;
    }

    /// <summary>Takes a tensor out of the torch scope of the kernel that made it.</summary>
    private static Torch.Tensor Detached(Torch.Tensor tensor)
    {
        tensor.DetachFromDisposeScope();
        return tensor;
    }

    /// <summary>Makes a kernel's result a tensor of the engine. It must be memory of its own, not a view of an input: see <see cref="Fresh"/>.</summary>
    private Tensor Wrap(Torch.Tensor result)
    {
        var dtype = result.dtype.FromTorch();
        var shape = TorchTypes.FromTorch(result.shape);
        var flat = Detached(result.contiguous().view(-1));
        return new Tensor(this, new TorchStorage(Memory, flat, dtype), shape, dtype);
    }

    /// <summary>The same numbers in memory of their own, contiguous.</summary>
    private static Torch.Tensor Fresh(Torch.Tensor view) => view.is_contiguous() ? view.clone() : view.contiguous();

    /// <summary>A number for a floating-point tensor.</summary>
    private Scalar S(double value) => _scalars.Value!.Hold(value);

    /// <summary>A number for a tensor of integers, which stays one.</summary>
    private Scalar I(long value) => _scalars.Value!.Hold(value);

    private static Torch.Tensor Float(Torch.Tensor x) => x.dtype == Torch.ScalarType.Float32 ? x : x.to_type(Torch.ScalarType.Float32);

    /// <summary>libtorch's view of a tensor of this backend, in the current torch scope.</summary>
    private Torch.Tensor View(Tensor x) => Flat(x).view(x.Shape.ToTorch());

    /// <summary>The same in rows of the innermost axis: [rows, width].</summary>
    private Torch.Tensor Rows(Tensor x) => Flat(x).view(RowCount(x.Shape), x.Shape[^1]);

    /// <summary>How many rows there are, also where they have no elements.</summary>
    private static long RowCount(in Shape shape)
    {
        long count = 1;
        for (var axis = 0; axis < shape.Rank - 1; axis++)
            count *= shape[axis];
        return count;
    }

    private Torch.Tensor Flat(Tensor x, [CallerMemberName] string operation = "")
    {
        if (x.Storage is not TorchStorage storage)
            throw new TensorException(operation, $"a tensor {x.Shape} lies on {x.Device} and belongs to another backend; copy it with FromTorch, or move the model with To.");
        var size = x.DType.SizeInBytes();
        return x.ByteOffset == 0 && x.ElementCount == storage.Flat.NumberOfElements
            ? storage.Flat.alias()
            : storage.Flat.narrow(0, x.ByteOffset / size, x.ElementCount);
    }
}
