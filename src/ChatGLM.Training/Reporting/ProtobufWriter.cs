using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace ChatGLM.Training;

/// <summary>Writes the few kinds of Protocol Buffers fields that an event file has.</summary>
internal sealed class ProtobufWriter
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Delimited = 2;
    private const int Fixed32 = 5;

    private readonly ArrayBufferWriter<byte> _out = new();

    public ReadOnlySpan<byte> Written => _out.WrittenSpan;

    public void Integer(int field, long value)
    {
        Key(field, Varint);
        Number((ulong)value);
    }

    public void Double(int field, double value)
    {
        Key(field, Fixed64);
        BinaryPrimitives.WriteDoubleLittleEndian(Room(sizeof(double)), value);
    }

    public void Single(int field, float value)
    {
        Key(field, Fixed32);
        BinaryPrimitives.WriteSingleLittleEndian(Room(sizeof(float)), value);
    }

    public void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public void Message(int field, Action<ProtobufWriter> content)
    {
        var inner = new ProtobufWriter();
        content(inner);
        Bytes(field, inner.Written);
    }

    private void Bytes(int field, ReadOnlySpan<byte> bytes)
    {
        Key(field, Delimited);
        Number((ulong)bytes.Length);
        _out.Write(bytes);
    }

    private void Key(int field, int kind) => Number(((ulong)field << 3) | (uint)kind);

    /// <summary>Seven bits a byte, the lowest first.</summary>
    private void Number(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            Room(1)[0] = (byte)(value | 0x80);
        Room(1)[0] = (byte)value;
    }

    private Span<byte> Room(int bytes)
    {
        var room = _out.GetSpan(bytes)[..bytes];
        _out.Advance(bytes);
        return room;
    }
}
