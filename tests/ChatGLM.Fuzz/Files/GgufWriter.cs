using System.Buffers.Binary;
using System.Text;

namespace ChatGLM.Fuzz.Files;

/// <summary>Writes GGUF files from the documentation of the format (ggml's docs/gguf.md), in memory.</summary>
public sealed class GgufWriter
{
    /// <summary>Numbers of the types of metadata values.</summary>
    private const uint UInt32 = 4, Int32 = 5, Float32 = 6, Bool = 7, Text = 8, Array = 9;

    private readonly MemoryStream _keys = new();
    private readonly List<(string Name, long[] Shape, uint Type, byte[] Data)> _tensors = [];
    private int _keyCount;

    /// <summary>The version that the file says it has.</summary>
    public uint Version { get; init; } = 3;

    public int Alignment { get; init; } = 32;

    /// <summary>Added to the offset of every tensor but the first: what a damaged file may have.</summary>
    public ulong OffsetError { get; init; }

    public GgufWriter Number(string key, uint value) => Key(key, UInt32, stream => Write(stream, value));

    public GgufWriter Number(string key, float value) => Key(key, Float32, stream => Write(stream, BitConverter.SingleToUInt32Bits(value)));

    public GgufWriter Flag(string key, bool value) => Key(key, Bool, stream => stream.WriteByte(value ? (byte)1 : (byte)0));

    public GgufWriter String(string key, string value) => Key(key, Text, stream => WriteText(stream, value));

    public GgufWriter Strings(string key, IReadOnlyList<string> values) => Key(key, Array, stream =>
    {
        Write(stream, Text);
        Write(stream, (ulong)values.Count);
        foreach (var value in values)
            WriteText(stream, value);
    });

    public GgufWriter Numbers(string key, IReadOnlyList<float> values) => Key(key, Array, stream =>
    {
        Write(stream, Float32);
        Write(stream, (ulong)values.Count);
        foreach (var value in values)
            Write(stream, BitConverter.SingleToUInt32Bits(value));
    });

    public GgufWriter Numbers(string key, IReadOnlyList<int> values) => Key(key, Array, stream =>
    {
        Write(stream, Int32);
        Write(stream, (ulong)values.Count);
        foreach (var value in values)
            Write(stream, (uint)value);
    });

    /// <summary>A value as it stands in the file: for values that no method here writes.</summary>
    public GgufWriter Raw(string key, uint type, byte[] value) => Key(key, type, stream => stream.Write(value));

    /// <summary>Adds a tensor.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="shape">The sizes, outermost first.</param>
    /// <param name="type">ggml's number of the element type.</param>
    /// <param name="data">Its bytes.</param>
    public GgufWriter Tensor(string name, long[] shape, uint type, byte[] data)
    {
        _tensors.Add((name, shape, type, data));
        return this;
    }

    public byte[] ToArray()
    {
        var file = new MemoryStream();
        file.Write("GGUF"u8);
        Write(file, Version);
        Write(file, (ulong)_tensors.Count);
        Write(file, (ulong)_keyCount);
        file.Write(_keys.ToArray());
        ulong offset = 0;
        foreach (var (name, shape, type, data) in _tensors)
        {
            WriteText(file, name);
            Write(file, (uint)shape.Length);
            foreach (var size in shape.Reverse())
                Write(file, (ulong)size);
            Write(file, type);
            Write(file, offset == 0 ? 0 : offset + OffsetError);
            offset += (ulong)Padded(data.Length);
        }

        Pad(file);
        foreach (var (_, _, _, data) in _tensors)
        {
            file.Write(data);
            Pad(file);
        }

        return file.ToArray();
    }

    private GgufWriter Key(string key, uint type, Action<Stream> value)
    {
        WriteText(_keys, key);
        Write(_keys, type);
        value(_keys);
        _keyCount++;
        return this;
    }

    private long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private void Pad(MemoryStream stream) => stream.Write(new byte[Padded(stream.Length) - stream.Length]);

    private static void WriteText(Stream stream, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Write(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, uint number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, ulong number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
        stream.Write(bytes);
    }
}
