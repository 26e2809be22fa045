using System.Buffers;
using System.Buffers.Binary;
using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// Writes plain values as a pickle of protocol 2, the one that <c>torch.save</c> uses. There is no memo: what occurs twice is written twice, which Python reads as well. Only a tensor
/// that occurs twice shares its storage.
/// </summary>
internal sealed class TorchPickler
{
    private readonly ArrayBufferWriter<byte> _out = new();
    private readonly List<Tensor> _storages = [];
    private readonly Dictionary<Tensor, int> _keys = new(ReferenceEqualityComparer.Instance);

    private TorchPickler()
    {
    }

    /// <summary>Writes one value.</summary>
    /// <param name="value">See <see cref="TorchArchive.Save"/>.</param>
    /// <returns>The pickle, and the tensors whose elements are to be written as the storages 0, 1, 2...</returns>
    /// <exception cref="ArgumentException">The value, or one inside it, is of another type.</exception>
    public static (ReadOnlyMemory<byte> Pickle, IReadOnlyList<Tensor> Storages) Write(object? value)
    {
        var writer = new TorchPickler();
        writer.Op(PickleOp.Proto);
        writer.Byte(2);
        writer.Value(value, depth: 1);
        writer.Op(PickleOp.Stop);
        return (writer._out.WrittenMemory, writer._storages);
    }

    private void Value(object? value, int depth)
    {
        if (depth > PickleContainer.MaxDepth)
            throw new ArgumentException($"Containers are nested deeper than {PickleContainer.MaxDepth}; does one contain itself?", nameof(value));
        switch (value)
        {
            case null: Op(PickleOp.None); break;
            case true: Op(PickleOp.NewTrue); break;
            case false: Op(PickleOp.NewFalse); break;
            case byte or sbyte or short or ushort or int or uint or long: Integer(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case BigInteger number: BigInteger(number); break;
            case float or double: Float(Convert.ToDouble(value, CultureInfo.InvariantCulture)); break;
            case string text: Text(text); break;
            case byte[] bytes: Bytes(bytes); break;
            case Tensor tensor: Tensor(tensor); break;
            case Array items: Tuple(items, depth); break;
            case IDictionary items: Dict(items, depth); break;
            case IList items: List(items, depth); break;
            default: throw new ArgumentException($"A {value.GetType()} cannot be written; tensors, numbers, text, bytes, arrays, lists and dictionaries can.", nameof(value));
        }
    }

    private void Integer(long number)
    {
        switch (number)
        {
            case >= 0 and <= byte.MaxValue:
                Op(PickleOp.BinInt1);
                Byte((byte)number);
                break;
            case >= 0 and <= ushort.MaxValue:
                Op(PickleOp.BinInt2);
                BinaryPrimitives.WriteUInt16LittleEndian(Room(sizeof(ushort)), (ushort)number);
                break;
            case >= int.MinValue and <= int.MaxValue:
                Op(PickleOp.BinInt);
                BinaryPrimitives.WriteInt32LittleEndian(Room(sizeof(int)), (int)number);
                break;
            default:
                BigInteger(number);
                break;
        }
    }

    private void BigInteger(BigInteger number)
    {
        var bytes = number.ToByteArray();
        if (bytes.Length > byte.MaxValue)
            throw new ArgumentException($"A number of {bytes.Length} bytes cannot be written.", nameof(number));
        Op(PickleOp.Long1);
        Byte((byte)bytes.Length);
        _out.Write(bytes);
    }

    private void Float(double number)
    {
        Op(PickleOp.BinFloat);
        BinaryPrimitives.WriteDoubleBigEndian(Room(sizeof(double)), number);
    }

    private void Text(string text)
    {
        Op(PickleOp.BinUnicode);
        BinaryPrimitives.WriteUInt32LittleEndian(Room(sizeof(uint)), (uint)Encoding.UTF8.GetByteCount(text));
        Encoding.UTF8.GetBytes(text, _out);
    }

    /// <summary>Protocol 2 has no bytes of its own: it writes text and how to encode it.</summary>
    private void Bytes(byte[] bytes)
    {
        Global("_codecs", "encode");
        Text(Encoding.Latin1.GetString(bytes));
        Text("latin1");
        Op(PickleOp.Tuple2);
        Op(PickleOp.Reduce);
    }

    private void Tuple(IEnumerable items, int depth)
    {
        Op(PickleOp.Mark);
        foreach (var item in items)
            Value(item, depth + 1);
        Op(PickleOp.Tuple);
    }

    private void List(IList items, int depth)
    {
        Op(PickleOp.EmptyList);
        if (items.Count == 0)
            return;
        Op(PickleOp.Mark);
        foreach (var item in items)
            Value(item, depth + 1);
        Op(PickleOp.Appends);
    }

    private void Dict(IDictionary items, int depth)
    {
        Op(PickleOp.EmptyDict);
        if (items.Count == 0)
            return;
        Op(PickleOp.Mark);
        foreach (DictionaryEntry item in items)
        {
            Value(item.Key, depth + 1);
            Value(item.Value, depth + 1);
        }

        Op(PickleOp.SetItems);
    }

    private void Tensor(Tensor tensor)
    {
        if (!_keys.TryGetValue(tensor, out var key))
        {
            _keys.Add(tensor, key = _storages.Count);
            _storages.Add(tensor);
        }

        Global("torch._utils", "_rebuild_tensor_v2");
        Op(PickleOp.Mark);
        Op(PickleOp.Mark);
        Text("storage");
        Global("torch", StorageType(tensor.DType));
        Text(key.ToString(CultureInfo.InvariantCulture));
        Text("cpu");
        Integer(tensor.ElementCount);
        Op(PickleOp.Tuple);
        Op(PickleOp.BinPersId);
        Integer(0);
        var (sizes, strides) = (new long[tensor.Shape.Rank], new long[tensor.Shape.Rank]);
        long stride = 1;
        for (var axis = sizes.Length - 1; axis >= 0; axis--)
        {
            (sizes[axis], strides[axis]) = (tensor.Shape[axis], stride);
            stride *= Math.Max(1, sizes[axis]);
        }

        Tuple(sizes, depth: 1);
        Tuple(strides, depth: 1);
        Op(PickleOp.NewFalse); // requires_grad
        Global("collections", "OrderedDict"); // hooks
        Op(PickleOp.EmptyTuple);
        Op(PickleOp.Reduce);
        Op(PickleOp.Tuple);
        Op(PickleOp.Reduce);
    }

    private static string StorageType(DType dtype) => dtype switch
    {
        DType.Float32 => "FloatStorage",
        DType.Float16 => "HalfStorage",
        DType.BFloat16 => "BFloat16Storage",
        DType.Float64 => "DoubleStorage",
        DType.Int64 => "LongStorage",
        DType.Int32 => "IntStorage",
        DType.Int16 => "ShortStorage",
        DType.Int8 => "CharStorage",
        DType.UInt8 => "ByteStorage",
        DType.Bool => "BoolStorage",
        _ => throw new ArgumentException($"PyTorch has no storage of {dtype}.", nameof(dtype)),
    };

    private void Global(string module, string name)
    {
        Op(PickleOp.Global);
        Encoding.ASCII.GetBytes($"{module}\n{name}\n", _out);
    }

    private void Op(PickleOp op) => Byte((byte)op);

    private void Byte(byte value) => Room(1)[0] = value;

    private Span<byte> Room(int bytes)
    {
        var room = _out.GetSpan(bytes)[..bytes];
        _out.Advance(bytes);
        return room;
    }
}
