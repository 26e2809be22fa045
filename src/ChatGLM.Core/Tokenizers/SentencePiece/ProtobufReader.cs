using System.Buffers.Binary;
using System.Globalization;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// Reads the fields of one protobuf message out of untrusted bytes. Every length is checked against the message's end before it is used,
/// each call moves forward, and nothing is copied.
/// </summary>
internal ref struct ProtobufReader
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly int _origin;
    private readonly string _message;
    private int _position;

    /// <param name="bytes">The message.</param>
    /// <param name="origin">Where the message starts in its file, for error messages.</param>
    /// <param name="message">The name of the message, for error messages.</param>
    public ProtobufReader(ReadOnlySpan<byte> bytes, int origin, string message)
    {
        _bytes = bytes;
        _origin = origin;
        _message = message;
    }

    /// <summary>The number of the field that <see cref="Next"/> found.</summary>
    public int Field { get; private set; }

    /// <summary>How its value is stored: 0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes.</summary>
    public int WireType { get; private set; }

    /// <summary>The value of a varint field, or the bits of a fixed one.</summary>
    public ulong Number { get; private set; }

    /// <summary>The value of a field of counted bytes.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Where the field's value starts in the file.</summary>
    public int Offset { get; private set; }

    public readonly bool AsBool => Number != 0;

    public readonly float AsSingle => WireType == 5
        ? BitConverter.UInt32BitsToSingle((uint)Number)
        : throw Error(Offset, $"field {Field} is a float and stored as wire type 5", $"wire type {WireType}");

    /// <summary>Moves to the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (_position >= _bytes.Length)
            return false;
        var start = _origin + _position;
        var key = ReadVarint();
        if (key >> 3 is 0 or > 0x1FFFFFFF)
            throw Error(start, "a field number between 1 and 536870911", (key >> 3).ToString(CultureInfo.InvariantCulture));
        Field = (int)(key >> 3);
        WireType = (int)(key & 7);
        Offset = _origin + _position;
        Bytes = default;
        Number = 0;
        switch (WireType)
        {
            case 0:
                Number = ReadVarint();
                break;
            case 1:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                var length = ReadVarint();
                Offset = _origin + _position;
                Bytes = Take(length);
                break;
            case 5:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw Error(start, "wire type 0, 1, 2 or 5", WireType.ToString(CultureInfo.InvariantCulture));
        }

        return true;
    }

    /// <summary>Fails unless the field holds counted bytes: a string, a bytes value or a message.</summary>
    public readonly ReadOnlySpan<byte> RequireBytes() => WireType == 2
        ? Bytes
        : throw Error(Offset, $"field {Field} with counted bytes (wire type 2)", $"wire type {WireType}");

    public readonly TokenizerException Error(int offset, string expected, string found) =>
        new($"The SentencePiece model is damaged at byte {offset}, in {_message}: expected {expected}, found {found}. Download the file again.");

    private ReadOnlySpan<byte> Take(ulong length)
    {
        var left = _bytes.Length - _position;
        if (length > (ulong)left)
            throw Error(_origin + _position, $"at most the {left} bytes that are left", $"a length of {length}");
        var taken = _bytes.Slice(_position, (int)length);
        _position += (int)length;
        return taken;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        var start = _position;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_position >= _bytes.Length)
                throw Error(_origin + start, "a whole varint", "the end of the message");
            var b = _bytes[_position++];
            if (shift == 63 && b > 1)
                break;
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }

        throw Error(_origin + start, "a varint of at most 64 bits", "a longer one");
    }
}
