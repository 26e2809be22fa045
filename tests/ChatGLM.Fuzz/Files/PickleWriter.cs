using System.Buffers.Binary;
using System.Text;

namespace ChatGLM.Fuzz.Files;

/// <summary>Writes pickles opcode by opcode: good ones, and ones that no pickler would write.</summary>
public sealed class PickleWriter
{
    private readonly MemoryStream _bytes = new();

    public byte[] ToArray() => _bytes.ToArray();

    public PickleWriter Op(byte op)
    {
        _bytes.WriteByte(op);
        return this;
    }

    public PickleWriter Op(char op) => Op((byte)op);

    public PickleWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    public PickleWriter Proto(byte version = 2) => Op(0x80).Op(version);

    public PickleWriter Stop() => Op('.');

    public PickleWriter Mark() => Op('(');

    public PickleWriter Global(string module, string name) => Op('c').Raw(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    public PickleWriter Text(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return Op('X').Number4((uint)utf8.Length).Raw(utf8);
    }

    /// <summary>An integer in the shortest form of protocol 2.</summary>
    public PickleWriter Int(long value)
    {
        if (value is >= 0 and <= 255)
            return Op('K').Op((byte)value);
        if (value is >= int.MinValue and <= int.MaxValue)
            return Op('J').Number4((uint)(int)value);
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        return Op(0x8A).Op(8).Raw(number);
    }

    public PickleWriter Number4(uint value)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(number, value);
        return Raw(number);
    }

    public PickleWriter Number8(ulong value)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(number, value);
        return Raw(number);
    }

    public PickleWriter Tuple(params ReadOnlySpan<long> values)
    {
        Mark();
        foreach (var value in values)
            Int(value);
        return Op('t');
    }

    /// <summary>A storage by persistent id, with a null after it where the old form has a view.</summary>
    public PickleWriter Storage(string key, string type, long count, bool legacy = false)
    {
        Mark().Text("storage").Global("torch", type).Text(key).Text("cpu").Int(count);
        if (legacy)
            Op('N');
        return Op('t').Op('Q');
    }

    /// <summary>A tensor as torch.save writes it.</summary>
    public PickleWriter Tensor(string key, string type, long count, long offset, long[] shape, long[] strides, bool legacy = false)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Mark().Storage(key, type, count, legacy).Int(offset).Tuple(shape).Tuple(strides);
        return Op(0x89).Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');
    }
}
