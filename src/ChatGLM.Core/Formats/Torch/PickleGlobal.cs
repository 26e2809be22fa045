using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>A name that a pickle may mention: the closed list is in <see cref="Find"/>. It stands for what the reader builds itself.</summary>
internal sealed class PickleGlobal
{
    private PickleGlobal(PickleGlobalKind kind, DType? storageType = null)
    {
        Kind = kind;
        StorageType = storageType;
    }

    public PickleGlobalKind Kind { get; }

    /// <summary>The element type of a storage class.</summary>
    public DType? StorageType { get; }

    /// <summary>What a name stands for: a global, a <see cref="DType"/>, or null when the name is not on the list.</summary>
    public static object? Find(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => new PickleGlobal(PickleGlobalKind.OrderedDict),
        ("torch._utils", "_rebuild_tensor") => new PickleGlobal(PickleGlobalKind.RebuildTensorV1),
        ("torch._utils", "_rebuild_tensor_v2") => new PickleGlobal(PickleGlobalKind.RebuildTensorV2),
        ("torch._utils", "_rebuild_parameter") => new PickleGlobal(PickleGlobalKind.RebuildParameter),
        ("torch._utils", "_rebuild_parameter_with_state") => new PickleGlobal(PickleGlobalKind.RebuildParameterWithState),
        ("torch", "Size") => new PickleGlobal(PickleGlobalKind.TorchSize),
        ("torch", "device") => new PickleGlobal(PickleGlobalKind.TorchDevice),
        ("builtins" or "__builtin__", "set") => new PickleGlobal(PickleGlobalKind.Set),
        ("builtins" or "__builtin__", "frozenset") => new PickleGlobal(PickleGlobalKind.FrozenSet),
        ("builtins" or "__builtin__", "bytes") => new PickleGlobal(PickleGlobalKind.Bytes),
        ("builtins" or "__builtin__", "bytearray") => new PickleGlobal(PickleGlobalKind.Bytes),
        ("_codecs", "encode") => new PickleGlobal(PickleGlobalKind.Bytes),
        ("numpy.core.multiarray" or "numpy._core.multiarray", "_reconstruct") => new PickleGlobal(PickleGlobalKind.NumpyReconstruct),
        ("numpy.core.multiarray" or "numpy._core.multiarray", "scalar") => new PickleGlobal(PickleGlobalKind.NumpyScalar),
        ("numpy", "ndarray") => new PickleGlobal(PickleGlobalKind.NumpyArray),
        ("numpy", "dtype") => new PickleGlobal(PickleGlobalKind.NumpyDType),
        ("torch" or "torch.storage" or "torch.cuda", _) when StorageTypeOf(name) is { } dtype => new PickleGlobal(PickleGlobalKind.Storage, dtype),
        ("torch", _) => DTypeOf(name),
        _ => null,
    };

    private static DType? StorageTypeOf(string name) => name switch
    {
        "FloatStorage" => DType.Float32,
        "HalfStorage" => DType.Float16,
        "BFloat16Storage" => DType.BFloat16,
        "DoubleStorage" => DType.Float64,
        "LongStorage" => DType.Int64,
        "IntStorage" => DType.Int32,
        "ShortStorage" => DType.Int16,
        "CharStorage" => DType.Int8,
        "ByteStorage" => DType.UInt8,
        "BoolStorage" => DType.Bool,
        _ => null,
    };

    private static object? DTypeOf(string name) => name switch
    {
        "float32" or "float" => DType.Float32,
        "float16" or "half" => DType.Float16,
        "bfloat16" => DType.BFloat16,
        "float64" or "double" => DType.Float64,
        "int64" or "long" => DType.Int64,
        "int32" or "int" => DType.Int32,
        "int16" or "short" => DType.Int16,
        "int8" => DType.Int8,
        "uint8" => DType.UInt8,
        "bool" => DType.Bool,
        _ => null,
    };
}
