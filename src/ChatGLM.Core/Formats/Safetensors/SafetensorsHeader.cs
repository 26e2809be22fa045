using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// The JSON header of a safetensors file, checked as strictly as the official reader does: a file that passes here has every byte of its data
/// belong to exactly one tensor.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The official reader's limit on the header.</summary>
    private const int MaxHeaderBytes = 100_000_000;

    /// <summary>The length field before the header.</summary>
    public const int PrefixBytes = 8;

    /// <summary>Far above any tensor in use; bounds what a header of nothing but brackets and commas makes us keep.</summary>
    private const int MaxRank = 64;

    private readonly string _path;

    private SafetensorsHeader(string path) => _path = path;

    public Dictionary<string, SafetensorsEntry> Entries { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Where the data begins in the file.</summary>
    public long DataOffset { get; private set; }

    public static SafetensorsHeader Parse(ByteRegion file)
    {
        var header = new SafetensorsHeader(file.Name);
        var json = header.Locate(file);
        try
        {
            header.ReadRoot(json);
        }
        catch (JsonException e)
        {
            throw header.Damaged($"the header is not valid JSON (header byte {e.BytePositionInLine}): {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // The JSON reader's answer to a string that is no Unicode text, such as half of a surrogate pair.
            throw header.Damaged($"the header holds a string that is not valid Unicode: {e.Message}", e);
        }

        header.CheckLayout(file.Length);
        GC.KeepAlive(file);
        return header;
    }

    private ReadOnlySpan<byte> Locate(ByteRegion file)
    {
        if (file.Length < PrefixBytes)
            throw Damaged($"a safetensors file begins with an 8-byte length, but the file has {file.Length} bytes; {FileSignature.Describe(file)}");
        var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(file.Span(0, PrefixBytes));
        if (length > MaxHeaderBytes)
            throw Damaged($"the header's length is given as {length} bytes, the limit is {MaxHeaderBytes}: the file is damaged or no safetensors file.");
        if (length > (ulong)(file.Length - PrefixBytes))
            throw Damaged($"the header's length is given as {length} bytes, but the file has only {file.Length}: it was cut off. Download it again.");
        if (length == 0)
            throw Damaged("the header is empty. Download the file again.");

        DataOffset = PrefixBytes + (long)length;
        var json = file.Span(PrefixBytes, (long)length);
        if (json[0] != (byte)'{')
            throw Damaged($"the header must begin with '{{', found byte 0x{json[0]:X2}: {FileSignature.Describe(file)}");
        if (!Utf8.IsValid(json))
            throw Damaged("the header is not UTF-8 text.");
        return json;
    }

    private void ReadRoot(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        var seenMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
            {
                if (seenMetadata)
                    throw Damaged("'__metadata__' appears twice in the header.");
                seenMetadata = true;
                ReadMetadata(ref reader);
                continue;
            }

            if (!Entries.TryAdd(name, ReadEntry(ref reader, name)))
                throw Damaged($"the tensor '{name}' appears twice in the header.");
        }

        if (reader.Read()) // only blanks may follow; anything else is an error in the reader itself
            throw Damaged("something follows the header's last brace.");
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return;
        Expect(reader.TokenType == JsonTokenType.StartObject, "__metadata__", "an object of strings", reader.TokenType);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            Expect(reader.TokenType == JsonTokenType.String, $"__metadata__.{key}", "a string", reader.TokenType);
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw Damaged($"the metadata key '{key}' appears twice in the header.");
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        Expect(reader.TokenType == JsonTokenType.StartObject, name, "an object", reader.TokenType);
        DType? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8))
            {
                Once(dtype is null, name, "dtype");
                dtype = ReadDType(ref reader, name);
            }
            else if (reader.ValueTextEquals("shape"u8))
            {
                Once(shape is null, name, "shape");
                shape = ReadNumbers(ref reader, name, "shape", MaxRank);
            }
            else if (reader.ValueTextEquals("data_offsets"u8))
            {
                Once(offsets is null, name, "data_offsets");
                offsets = ReadNumbers(ref reader, name, "data_offsets", 2);
            }
            else
            {
                reader.Read();
                reader.Skip(); // the official reader ignores what it does not know
            }
        }

        if (dtype is null || shape is null || offsets is null)
        {
            var missing = dtype is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw Damaged($"the tensor '{name}' has no '{missing}' in the header.");
        }

        if (offsets.Length != 2)
            throw Damaged($"'data_offsets' of '{name}' must be two numbers, found {offsets.Length}.");
        return new SafetensorsEntry(name, dtype.Value, shape, offsets[0], offsets[1]);
    }

    private DType ReadDType(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        Expect(reader.TokenType == JsonTokenType.String, $"{name}.dtype", "a string", reader.TokenType);
        var text = reader.GetString()!;
        if (SafetensorsDType.Parse(text) is { } dtype)
            return dtype;
        throw Damaged(SafetensorsDType.IsKnownElsewhere(text)
            ? $"the tensor '{name}' has the element type {text}, which this library does not read. Convert it to F32, F16, BF16 or an integer type."
            : $"the tensor '{name}' has the unknown element type '{Shorten(text)}'.");
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string field, int most)
    {
        reader.Read();
        Expect(reader.TokenType == JsonTokenType.StartArray, $"{name}.{field}", "an array", reader.TokenType);
        var numbers = new List<long>(Math.Min(most, 4));
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out var number) || number > long.MaxValue)
                throw Damaged($"'{field}' of '{name}' must hold whole numbers from 0 to {long.MaxValue}, found '{Shorten(Raw(ref reader))}'.");
            if (numbers.Count == most)
                throw Damaged($"'{field}' of '{name}' has more than {most} numbers.");
            numbers.Add((long)number);
        }

        return [.. numbers];
    }

    /// <summary>Every tensor has the bytes its shape needs, and the ranges, in order, cover the data without holes, overlap or rest.</summary>
    private void CheckLayout(long fileLength)
    {
        var inOrder = Entries.Values.ToArray();
        Array.Sort(inOrder, (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        var available = fileLength - DataOffset;
        long at = 0;
        foreach (var entry in inOrder)
        {
            if (entry.End < entry.Begin)
                throw Damaged($"the bytes of '{entry.Name}' end ({entry.End}) before they begin ({entry.Begin}).");
            if (entry.Begin != at)
            {
                throw Damaged(entry.Begin < at
                    ? $"the bytes {entry.Begin}..{entry.End} of '{entry.Name}' overlap those of another tensor, which end at {at}."
                    : $"the bytes {at}..{entry.Begin} before '{entry.Name}' belong to no tensor.");
            }

            var needed = BytesOf(entry);
            if (needed != entry.LengthInBytes)
            {
                throw Damaged($"'{entry.Name}' of shape [{string.Join(", ", entry.Shape)}] and type {SafetensorsDType.NameOf(entry.DType)} "
                    + $"needs {needed} bytes, "
                    + $"but its range {entry.Begin}..{entry.End} has {entry.LengthInBytes}.");
            }

            if (entry.End > available)
                throw Damaged($"'{entry.Name}' ends at data byte {entry.End}, but the file has only {available}: it was cut off. Download it again.");
            at = entry.End;
        }

        if (at != available)
            throw Damaged($"the tensors end at data byte {at}, but the file has {available}: {available - at} bytes belong to no tensor.");
    }

    private long BytesOf(SafetensorsEntry entry)
    {
        try
        {
            long elements = 1;
            foreach (var size in entry.Shape)
                elements = checked(elements * size);
            return checked(elements * entry.DType.SizeInBytes());
        }
        catch (OverflowException e)
        {
            throw Damaged($"the shape [{string.Join(", ", entry.Shape)}] of '{entry.Name}' has more elements than a file can hold.", e);
        }
    }

    private static string Raw(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Number ? Encoding.UTF8.GetString(reader.ValueSpan) : reader.TokenType.ToString();

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "...";

    private void Once(bool first, string name, string field)
    {
        if (!first)
            throw Damaged($"'{field}' of '{name}' appears twice in the header.");
    }

    private void Expect(bool holds, string key, string expected, JsonTokenType found)
    {
        if (!holds)
            throw Damaged($"'{key}' in the header must be {expected}, found {found}.");
    }

    private CheckpointException Damaged(string problem, Exception? inner = null) => new(_path, problem, inner);
}
