using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ChatGLM.Formats;

/// <summary>
/// Writes a safetensors file as the official library lays it out: tensors by falling element type, then by name, and a header padded
/// with blanks to a multiple of 8, so that every tensor is aligned. The same tensors give the same bytes.
/// </summary>
internal static class SafetensorsWriter
{
    /// <summary>transformers refuses a file without it.</summary>
    public static readonly IReadOnlyDictionary<string, string> PyTorchMetadata = new Dictionary<string, string> { ["format"] = "pt" }.AsReadOnly();

    public static void Write(string path, IEnumerable<TensorSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var (header, inOrder) = Plan(tensors, metadata ?? PyTorchMetadata);
        AtomicFile.Write(path, stream => Write(stream, path, header, inOrder));
    }

    /// <summary>The header, and the tensors in the order in which their bytes follow it.</summary>
    public static (byte[] Header, TensorSource[] InOrder) Plan(IEnumerable<TensorSource> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var inOrder = tensors.ToArray();
        Array.Sort(inOrder, (a, b) =>
        {
            var byType = SafetensorsDType.Rank(b.DType).CompareTo(SafetensorsDType.Rank(a.DType));
            return byType != 0 ? byType : CompareAsUtf8(a.Name, b.Name);
        });
        for (var i = 0; i < inOrder.Length; i++)
        {
            if (inOrder[i].Name == "__metadata__")
                throw new ArgumentException("A tensor cannot be called '__metadata__': the format keeps that name for itself.", nameof(tensors));
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in inOrder)
        {
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"The tensor '{tensor.Name}' is given twice.", nameof(tensors));
        }

        return (Header(inOrder, metadata), inOrder);
    }

    private static byte[] Header(TensorSource[] inOrder, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + (128 * inOrder.Length));
        buffer.Write(stackalloc byte[SafetensorsHeader.PrefixBytes]);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            long at = 0;
            foreach (var tensor in inOrder)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", SafetensorsDType.NameOf(tensor.DType));
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                json.WriteNumberValue(at = checked(at + tensor.LengthInBytes));
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (buffer.WrittenCount % 8 != 0)
            buffer.Write(" "u8);
        var header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - SafetensorsHeader.PrefixBytes));
        return header;
    }

    private static void Write(Stream stream, string path, byte[] header, TensorSource[] inOrder)
    {
        stream.Write(header);
        foreach (var tensor in inOrder)
        {
            var begin = stream.Position;
            tensor.WriteTo(stream);
            if (stream.Position - begin != tensor.LengthInBytes)
            {
                throw new CheckpointException(path, $"the tensor '{tensor.Name}' was announced with {tensor.LengthInBytes} bytes "
                    + $"but gave {stream.Position - begin}. Nothing was written.");
            }
        }
    }

    /// <summary>The order of the UTF-8 bytes, which is that of the code points; the order of UTF-16 units differs beyond the basic plane.</summary>
    private static int CompareAsUtf8(string a, string b)
    {
        for (var i = 0; i < Math.Min(a.Length, b.Length); i++)
        {
            if (a[i] == b[i])
                continue;
            var (surrogateA, surrogateB) = (char.IsSurrogate(a[i]), char.IsSurrogate(b[i]));
            return surrogateA == surrogateB ? a[i].CompareTo(b[i]) : surrogateA ? 1 : -1;
        }

        return a.Length.CompareTo(b.Length);
    }
}
