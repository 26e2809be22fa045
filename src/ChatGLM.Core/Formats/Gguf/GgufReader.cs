using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;

namespace ChatGLM.Formats;

/// <summary>Reads the numbers and strings of a GGUF header one after the other, and nothing beyond the end of the file.</summary>
internal ref struct GgufReader(ByteRegion file)
{
    /// <summary>Far more than any string in use; a chat template has a few thousand bytes.</summary>
    private const int MaxStringBytes = 1 << 24;

    /// <summary>Far more than any vocabulary has.</summary>
    private const long MaxArrayCount = 1 << 24;

    /// <summary>The next byte.</summary>
    public long Position { get; set; }

    public readonly long Left => file.Length - Position;

    public T Number<T>(string what)
        where T : unmanaged
    {
        var value = MemoryMarshal.Read<T>(Take(Unsafe.SizeOf<T>(), what));
        GC.KeepAlive(file);
        return value;
    }

    /// <summary>A string, as text.</summary>
    public string Text(string what, int maxBytes)
    {
        var bytes = String(what, maxBytes);
        if (!Utf8.IsValid(bytes))
            throw Damaged($"{what} is not UTF-8 text.");
        var text = Encoding.UTF8.GetString(bytes);
        GC.KeepAlive(file);
        return text;
    }

    /// <summary>The bytes of a string: valid while the file is reachable.</summary>
    public ReadOnlySpan<byte> String(string what, int maxBytes = MaxStringBytes)
    {
        var length = Number<ulong>($"the length of {what}");
        if (length > (ulong)maxBytes)
            throw Damaged($"{what} is said to have {length} bytes, the limit is {maxBytes}.");
        return Take((int)length, what);
    }

    /// <summary>A value: its place is noted, its bytes are passed over.</summary>
    public GgufValue Value(string key)
    {
        var what = $"the value of '{key}'";
        var type = Type(what);
        if (type != GgufType.Array)
        {
            var single = new GgufValue(type, false, 1, Position);
            Skip(type, 1, what);
            return single;
        }

        var element = Type(what);
        if (element == GgufType.Array)
            throw Damaged($"{what} is an array of arrays, which the format's readers do not have.");
        var count = Number<ulong>($"the number of elements of '{key}'");
        if (count > MaxArrayCount)
            throw Damaged($"{what} is said to have {count} elements, the limit is {MaxArrayCount}.");
        var value = new GgufValue(element, true, (long)count, Position);
        Skip(element, (long)count, what);
        return value;
    }

    public readonly CheckpointException Damaged(string problem) => new(file.Name, $"{problem} (byte {Position}) The file is damaged, or no GGUF file. Download it again.");

    private GgufType Type(string what)
    {
        var type = Number<uint>($"the type of {what}");
        return type <= (uint)GgufType.Float64 ? (GgufType)type : throw Damaged($"{what} has the unknown type {type}.");
    }

    private void Skip(GgufType type, long count, string what)
    {
        if (type != GgufType.String)
        {
            // At most 2^24 times 8 bytes.
            var bytes = count * SizeOf(type);
            if (bytes > Left)
                throw CutOff(what, bytes);
            Position += bytes;
            return;
        }

        if (count * sizeof(ulong) > Left)
            throw CutOff(what, count * sizeof(ulong));
        for (long i = 0; i < count; i++)
            String(what);
    }

    public static int SizeOf(GgufType type) => type switch
    {
        GgufType.UInt8 or GgufType.Int8 or GgufType.Bool => 1,
        GgufType.UInt16 or GgufType.Int16 => 2,
        GgufType.UInt32 or GgufType.Int32 or GgufType.Float32 => 4,
        _ => 8,
    };

    private ReadOnlySpan<byte> Take(int bytes, string what)
    {
        if (bytes > Left)
            throw CutOff(what, bytes);
        var span = file.Span(Position, bytes);
        Position += bytes;
        return span;
    }

    private readonly CheckpointException CutOff(string what, long bytes) =>
        new(file.Name, $"{what} needs {bytes} bytes at byte {Position}, but the file has only {file.Length}: it was cut off. Download it again.");
}
