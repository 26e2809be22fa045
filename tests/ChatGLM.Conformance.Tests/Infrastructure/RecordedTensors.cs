using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>
/// A recorded .safetensors file read the obvious way. It is not the library's reader on purpose: a witness must not share its mistakes.
/// </summary>
public sealed class RecordedTensors
{
    private readonly byte[] _bytes;
    private readonly Dictionary<string, (string DType, long[] Shape, int Start, int End)> _entries = [];

    private RecordedTensors(byte[] bytes)
    {
        _bytes = bytes;
        var headerBytes = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        using var header = JsonDocument.Parse(bytes.AsMemory(8, headerBytes));
        foreach (var entry in header.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
                continue;
            var shape = entry.Value.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()).ToArray();
            var offsets = entry.Value.GetProperty("data_offsets").EnumerateArray().Select(n => n.GetInt32() + 8 + headerBytes).ToArray();
            _entries.Add(entry.Name, (entry.Value.GetProperty("dtype").GetString()!, shape, offsets[0], offsets[1]));
        }
    }

    public static RecordedTensors Read(string path) => new(File.ReadAllBytes(path));

    public IEnumerable<string> Names => _entries.Keys;

    public bool Contains(string name) => _entries.ContainsKey(name);

    public long[] Shape(string name) => _entries[name].Shape;

    public string DType(string name) => _entries[name].DType;

    public ReadOnlySpan<byte> Bytes(string name) => _bytes.AsSpan(_entries[name].Start, _entries[name].End - _entries[name].Start);

    /// <summary>The values as float32; half and bfloat16 are widened, integers and bools converted.</summary>
    public float[] Floats(string name) => DType(name) switch
    {
        "F32" => MemoryMarshal.Cast<byte, float>(Bytes(name)).ToArray(),
        "F16" => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(Bytes(name)).ToArray(), h => (float)h),
        "BF16" => Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(Bytes(name)).ToArray(), b => BitConverter.UInt32BitsToSingle((uint)b << 16)),
        "F64" => Array.ConvertAll(Doubles(name), d => (float)d),
        _ => Array.ConvertAll(Longs(name), n => (float)n),
    };

    public double[] Doubles(string name) => MemoryMarshal.Cast<byte, double>(Bytes(name)).ToArray();

    /// <summary>The values of an integer or bool tensor.</summary>
    public long[] Longs(string name) => DType(name) switch
    {
        "I64" => MemoryMarshal.Cast<byte, long>(Bytes(name)).ToArray(),
        "I32" => Array.ConvertAll(MemoryMarshal.Cast<byte, int>(Bytes(name)).ToArray(), n => (long)n),
        "I16" => Array.ConvertAll(MemoryMarshal.Cast<byte, short>(Bytes(name)).ToArray(), n => (long)n),
        "I8" => Array.ConvertAll(MemoryMarshal.Cast<byte, sbyte>(Bytes(name)).ToArray(), n => (long)n),
        "U8" or "BOOL" => Array.ConvertAll(Bytes(name).ToArray(), n => (long)n),
        var other => throw new NotSupportedException($"'{name}' is {other}, not an integer tensor."),
    };
}
