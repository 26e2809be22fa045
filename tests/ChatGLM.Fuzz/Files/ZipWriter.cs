using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using ChatGLM.Formats;

namespace ChatGLM.Fuzz.Files;

/// <summary>Writes zip archives by hand, so that every field can also be a lie.</summary>
public sealed class ZipWriter
{
    private readonly List<(string Name, byte[] Packed, int Unpacked, bool Deflated, uint Crc)> _entries = [];

    /// <summary>Writes sizes and offsets in zip64 form although they are small.</summary>
    public bool Zip64 { get; init; }

    public ZipWriter Add(string name, byte[] content, bool deflate = false, uint? crc = null)
    {
        _entries.Add((name, deflate ? Deflate(content) : content, content.Length, deflate, crc ?? Crc32.Of(content)));
        return this;
    }

    public byte[] ToArray()
    {
        var zip = new MemoryStream();
        var offsets = new List<long>();
        foreach (var (name, packed, unpacked, deflated, crc) in _entries)
        {
            offsets.Add(zip.Position);
            var utf8 = Encoding.UTF8.GetBytes(name);
            Write(zip, 4, 0x04034B50, 2, 20, 2, 0x800, 2, deflated ? 8u : 0, 4, 0, 4, crc, 4, (uint)packed.Length, 4, (uint)unpacked, 2, (uint)utf8.Length, 2, 0);
            zip.Write(utf8);
            zip.Write(packed);
        }

        var directory = zip.Position;
        for (var i = 0; i < _entries.Count; i++)
        {
            var (name, packed, unpacked, deflated, crc) = _entries[i];
            var utf8 = Encoding.UTF8.GetBytes(name);
            Write(zip, 4, 0x02014B50, 2, 20, 2, 20, 2, 0x800, 2, deflated ? 8u : 0, 4, 0, 4, crc);
            Write(zip, 4, Zip64 ? uint.MaxValue : (uint)packed.Length, 4, Zip64 ? uint.MaxValue : (uint)unpacked, 2, (uint)utf8.Length, 2, Zip64 ? 28u : 0);
            Write(zip, 2, 0, 2, 0, 2, 0, 4, 0, 4, Zip64 ? uint.MaxValue : (uint)offsets[i]);
            zip.Write(utf8);
            if (Zip64)
                Write(zip, 2, 1, 2, 24, 8, (ulong)unpacked, 8, (ulong)packed.Length, 8, (ulong)offsets[i]);
        }

        var bytes = (ulong)(zip.Position - directory);
        var end = (ulong)zip.Position;
        var count = (ulong)_entries.Count;
        if (Zip64)
        {
            Write(zip, 4, 0x06064B50, 8, 44, 2, 45, 2, 45, 4, 0, 4, 0, 8, count, 8, count, 8, bytes, 8, (ulong)directory);
            Write(zip, 4, 0x07064B50, 4, 0, 8, end, 4, 1);
        }

        Write(zip, 4, 0x06054B50, 2, 0, 2, 0, 2, Zip64 ? 0xFFFF : count, 2, Zip64 ? 0xFFFF : count);
        Write(zip, 4, Zip64 ? uint.MaxValue : bytes, 4, Zip64 ? uint.MaxValue : (ulong)directory, 2, 0);
        return zip.ToArray();
    }

    /// <summary>Fields as pairs of width and value.</summary>
    private static void Write(Stream stream, params ReadOnlySpan<ulong> fields)
    {
        Span<byte> number = stackalloc byte[8];
        for (var i = 0; i < fields.Length; i += 2)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(number, fields[i + 1]);
            stream.Write(number[..(int)fields[i]]);
        }
    }

    private static byte[] Deflate(byte[] content)
    {
        var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            deflate.Write(content);
        return packed.ToArray();
    }
}
