using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace ChatGLM.Formats;

/// <summary>
/// A zip archive read in place. Every name, size and offset is checked before anything is used: entries lie inside the file and apart from each
/// other, names are unique and relative, and nothing is unpacked beyond what its packed size can honestly hold.
/// </summary>
internal sealed unsafe class ZipFile
{
    private const uint LocalSignature = 0x04034B50;
    private const uint CentralSignature = 0x02014B50;
    private const uint EndSignature = 0x06054B50;
    private const uint Zip64EndSignature = 0x06064B50;
    private const uint Zip64LocatorSignature = 0x07064B50;
    private const int LocalBytes = 30;
    private const int CentralBytes = 46;
    private const int EndBytes = 22;
    private const int Zip64EndBytes = 56;
    private const int Zip64LocatorBytes = 20;

    /// <summary>The largest snapshots have a few thousand storages.</summary>
    private const int MaxEntries = 1 << 20;

    /// <summary>Weights hardly shrink; an entry that grows more than this is a bomb, unless it is small.</summary>
    private const int MaxInflation = 100;

    private const long AlwaysInflated = 16 << 20;

    private readonly ByteRegion _file;

    private ZipFile(ByteRegion file) => _file = file;

    public Dictionary<string, ZipEntry> Entries { get; } = new(StringComparer.Ordinal);

    public static bool HasSignature(ByteRegion file) => file.Length >= 4 && file.Span(0, 4).SequenceEqual("PK\u0003\u0004"u8);

    public static ZipFile Open(ByteRegion file)
    {
        var zip = new ZipFile(file);
        var (offset, bytes, count) = zip.FindDirectory();
        zip.ReadDirectory(offset, bytes, count);
        GC.KeepAlive(file);
        return zip;
    }

    /// <summary>The bytes of an entry: in place when it is stored, in new memory when it is deflated.</summary>
    public TensorBytes Read(ZipEntry entry)
    {
        if (!entry.IsDeflated)
            return new TensorBytes(_file, entry.DataOffset, entry.UnpackedBytes);

        var most = Math.Max(AlwaysInflated, entry.PackedBytes * MaxInflation);
        if (entry.UnpackedBytes > most)
        {
            throw Damaged($"the entry '{entry.Name}' says that its {entry.PackedBytes} bytes unpack to {entry.UnpackedBytes}: refused, as weights never shrink "
                + "that much.");
        }

        var memory = ByteRegion.Allocate($"{_file.Name}({entry.Name})", entry.UnpackedBytes);
        try
        {
            using var packed = new UnmanagedMemoryStream(_file.Pointer + entry.DataOffset, entry.PackedBytes);
            using var inflate = new DeflateStream(packed, CompressionMode.Decompress);
            for (long at = 0; at < entry.UnpackedBytes;)
            {
                var read = inflate.Read(memory.Writable(at, Math.Min(1 << 24, entry.UnpackedBytes - at)));
                if (read == 0)
                    throw Damaged($"the entry '{entry.Name}' unpacks to {at} bytes, {entry.UnpackedBytes} were announced.");
                at += read;
            }

            if (inflate.ReadByte() >= 0)
                throw Damaged($"the entry '{entry.Name}' unpacks to more than the {entry.UnpackedBytes} bytes that were announced.");
        }
        catch (InvalidDataException e)
        {
            throw Damaged($"the entry '{entry.Name}' cannot be unpacked: {e.Message}", e);
        }

        GC.KeepAlive(_file);
        var bytes = new TensorBytes(memory, 0, entry.UnpackedBytes);
        if (bytes.Length <= int.MaxValue)
            CheckCrc(entry, bytes);
        return bytes;
    }

    public void CheckCrc(ZipEntry entry, TensorBytes bytes)
    {
        var found = Crc32.Of(bytes.Span);
        GC.KeepAlive(bytes.Owner);
        if (found != entry.Crc32)
            throw Damaged($"the checksum of the entry '{entry.Name}' is {found:X8}, expected {entry.Crc32:X8}: the file is damaged. Download it again.");
    }

    private (long Offset, long Bytes, long Count) FindDirectory()
    {
        var end = FindEnd();
        var record = _file.Span(end, EndBytes);
        var disk = U16(record, 4);
        var directoryDisk = U16(record, 6);
        long count = U16(record, 10);
        long bytes = U32(record, 12);
        long offset = U32(record, 16);
        var directoryEnd = end;
        if (end >= Zip64LocatorBytes && U32(_file.Span(end - Zip64LocatorBytes, 4), 0) == Zip64LocatorSignature)
        {
            var locator = _file.Span(end - Zip64LocatorBytes, Zip64LocatorBytes);
            directoryEnd = I64(locator, 8, "the zip64 end record's offset");
            if (directoryEnd > end - Zip64LocatorBytes - Zip64EndBytes)
                throw Damaged($"the zip64 end record is said to be at byte {directoryEnd}, where it does not fit.");
            var record64 = _file.Span(directoryEnd, Zip64EndBytes);
            if (U32(record64, 0) != Zip64EndSignature)
                throw Damaged($"there is no zip64 end record at byte {directoryEnd}.");
            disk = (ushort)Math.Min(U32(record64, 16), ushort.MaxValue);
            directoryDisk = (ushort)Math.Min(U32(record64, 20), ushort.MaxValue);
            count = I64(record64, 32, "the number of entries");
            bytes = I64(record64, 40, "the directory's size");
            offset = I64(record64, 48, "the directory's offset");
        }

        if (disk != 0 || directoryDisk != 0)
            throw Damaged("the archive is one part of several; that form is not used for weights.");
        if (offset > directoryEnd || bytes != directoryEnd - offset)
            throw Damaged($"the archive's directory is said to have {bytes} bytes at {offset}, but must end at {directoryEnd}.");
        if (count > MaxEntries || count > bytes / CentralBytes)
            throw Damaged($"the archive's directory of {bytes} bytes cannot hold the {count} entries announced (at most {MaxEntries}).");
        return (offset, bytes, count);
    }

    /// <summary>The last end record whose comment reaches exactly to the end of the file.</summary>
    private long FindEnd()
    {
        var tailBytes = (int)Math.Min(_file.Length, EndBytes + ushort.MaxValue);
        var tail = _file.Span(_file.Length - tailBytes, tailBytes);
        for (var at = tailBytes - EndBytes; at >= 0; at--)
        {
            if (U32(tail, at) == EndSignature && U16(tail, at + 20) == tailBytes - EndBytes - at)
                return _file.Length - tailBytes + at;
        }

        throw Damaged("the archive has no end record: the file was cut off. Download it again.");
    }

    private void ReadDirectory(long offset, long bytes, long count)
    {
        var limit = offset + bytes;
        var extents = new List<(long Begin, long End)>();
        var at = offset;
        for (long i = 0; i < count; i++)
        {
            if (limit - at < CentralBytes || U32(_file.Span(at, 4), 0) != CentralSignature)
                throw Damaged($"entry {i} of the archive's directory (at byte {at}) is damaged.");
            var head = _file.Span(at, CentralBytes);
            var nameBytes = U16(head, 28);
            var extraBytes = U16(head, 30);
            long entryBytes = CentralBytes + nameBytes + extraBytes + U16(head, 32);
            if (entryBytes > limit - at)
                throw Damaged($"entry {i} of the archive's directory (at byte {at}) reaches beyond the directory.");
            var entry = ReadEntry(head, _file.Span(at + CentralBytes, nameBytes), _file.Span(at + CentralBytes + nameBytes, extraBytes), offset, out var begin);
            if (!Entries.TryAdd(entry.Name, entry))
                throw Damaged($"the entry '{entry.Name}' appears twice in the archive.");
            extents.Add((begin, entry.DataOffset + entry.PackedBytes));
            at += entryBytes;
        }

        if (at != limit)
            throw Damaged($"the archive's directory ends at byte {at}, expected {limit}.");
        extents.Sort();
        for (var i = 1; i < extents.Count; i++)
        {
            if (extents[i].Begin < extents[i - 1].End)
                throw Damaged($"two entries of the archive overlap at byte {extents[i].Begin}.");
        }
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> head, ReadOnlySpan<byte> nameBytes, ReadOnlySpan<byte> extra, long directory, out long begin)
    {
        var name = ReadName(nameBytes);
        var flags = U16(head, 8);
        var method = U16(head, 10);
        if ((flags & 0x2041) != 0)
            throw Damaged($"the entry '{name}' is encrypted.");
        if (method is not (0 or 8))
            throw Damaged($"the entry '{name}' is packed with method {method}; only stored and deflated entries are read.");

        long packed = U32(head, 20);
        long unpacked = U32(head, 24);
        begin = U32(head, 42);
        ReadZip64(extra, name, ref unpacked, ref packed, ref begin);
        if (method == 0 && packed != unpacked)
            throw Damaged($"the entry '{name}' is stored as it is, but its sizes differ: {packed} and {unpacked}.");
        if (begin > directory - LocalBytes)
            throw Damaged($"the entry '{name}' is said to begin at byte {begin}, beyond the archive's data.");

        var local = _file.Span(begin, LocalBytes);
        var localNameBytes = U16(local, 26);
        var data = begin + LocalBytes + localNameBytes + U16(local, 28);
        if (U32(local, 0) != LocalSignature || data > directory || packed > directory - data)
            throw Damaged($"the entry '{name}' at byte {begin} with {packed} bytes does not lie in the archive's data: the file is cut off or damaged.");
        if (!_file.Span(begin + LocalBytes, localNameBytes).SequenceEqual(nameBytes) || U16(local, 8) != method)
            throw Damaged($"the directory and the entry itself disagree about '{name}'.");
        return new ZipEntry(name, data, packed, unpacked, method == 8, U32(head, 16));
    }

    private string ReadName(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || !System.Text.Unicode.Utf8.IsValid(bytes))
            throw Damaged("the archive holds an entry whose name is empty or not UTF-8.");
        var name = Encoding.UTF8.GetString(bytes);
        var isUnsafe = name[0] == '/' || name.AsSpan().ContainsAny('\\', ':', '\0');
        foreach (var part in name.AsSpan().Split('/'))
            isUnsafe |= name.AsSpan()[part] is "..";
        return isUnsafe ? throw Damaged($"the archive holds an entry with the unsafe name '{name}'.") : name;
    }

    /// <summary>Sizes and offsets of 4 GiB and more stand in an extra field, in this order, each only when its 32-bit place is full.</summary>
    private void ReadZip64(ReadOnlySpan<byte> extra, string name, ref long unpacked, ref long packed, ref long begin)
    {
        while (extra.Length >= 4)
        {
            var id = U16(extra, 0);
            var bytes = U16(extra, 2);
            if (bytes > extra.Length - 4)
                break; // padding, as some archivers write it
            if (id == 1)
            {
                var field = extra.Slice(4, bytes);
                Take(ref field, ref unpacked);
                Take(ref field, ref packed);
                Take(ref field, ref begin);
                return;
            }

            extra = extra[(4 + bytes)..];
        }

        void Take(ref ReadOnlySpan<byte> field, ref long value)
        {
            if (value != uint.MaxValue)
                return;
            if (field.Length < 8)
                throw Damaged($"the zip64 sizes of the entry '{name}' are cut off.");
            value = I64(field, 0, $"a size of '{name}'");
            field = field[8..];
        }
    }

    private long I64(ReadOnlySpan<byte> bytes, int at, string what)
    {
        var value = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
        return value <= long.MaxValue ? (long)value : throw Damaged($"{what} is absurd: {value}.");
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private CheckpointException Damaged(string problem, Exception? inner = null) => new(_file.Name, problem, inner);
}
