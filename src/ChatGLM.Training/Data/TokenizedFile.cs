using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace ChatGLM.Training;

/// <summary>
/// A file of tokenized rows: a head with the key of what they were made from, the rows, where each begins, and a foot with a hash of all of it. Little-endian:
/// <c>"CGLMROWS" key[32] | inputs:int32 labels:int32 ids... | offsets:int64[count + 1] | index:int64 count:int64 sha256[32]</c>.
/// </summary>
internal sealed class TokenizedFile : IDisposable
{
    public const int KeyBytes = 32;
    private const int HeadBytes = 8 + KeyBytes;
    private const int FootBytes = 8 + 8 + 32;
    private const int RowHeadBytes = 8;
    private const int ChunkBytes = 1 << 20;

    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly long _index;

    private TokenizedFile(SafeFileHandle file, string path, long index, int count) => (_file, _path, _index, Count) = (file, path, index, count);

    public int Count { get; }

    private static ReadOnlySpan<byte> Magic => "CGLMROWS"u8;

    /// <summary>Opens a file if it is whole and of this key; null if it is not there, of something else, or damaged.</summary>
    public static TokenizedFile? TryOpen(string path, ReadOnlySpan<byte> key)
    {
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.RandomAccess);
            if (Check(file, key) is not (var index, var count))
                return null;
            var opened = new TokenizedFile(file, path, index, count);
            file = null;
            return opened;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>Writes rows; nothing is kept of them but where each begins.</summary>
    public static void Write(Stream stream, ReadOnlySpan<byte> key, IEnumerable<TokenizedExample> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var offsets = new List<long>();
        var at = 0L;
        Span<byte> head = stackalloc byte[RowHeadBytes];
        Append(Magic);
        Append(key);
        foreach (var row in rows)
        {
            offsets.Add(at);
            BinaryPrimitives.WriteInt32LittleEndian(head, row.InputIds.Length);
            BinaryPrimitives.WriteInt32LittleEndian(head[4..], row.Labels?.Length ?? -1);
            Append(head);
            Append(MemoryMarshal.AsBytes(row.InputIds.AsSpan()));
            Append(MemoryMarshal.AsBytes(row.Labels.AsSpan()));
        }

        var index = at;
        offsets.Add(at);
        Append(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(offsets)));
        Span<byte> foot = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(foot, index);
        BinaryPrimitives.WriteInt64LittleEndian(foot[8..], offsets.Count - 1);
        Append(foot);
        stream.Write(hash.GetHashAndReset());

        void Append(ReadOnlySpan<byte> bytes)
        {
            stream.Write(bytes);
            hash.AppendData(bytes);
            at += bytes.Length;
        }
    }

    /// <summary>Reads one row. Safe on several threads.</summary>
    public TokenizedExample Read(int row)
    {
        Span<byte> bounds = stackalloc byte[16];
        ReadExactly(bounds, _index + (8L * row));
        var (start, end) = (BinaryPrimitives.ReadInt64LittleEndian(bounds), BinaryPrimitives.ReadInt64LittleEndian(bounds[8..]));
        Span<byte> head = stackalloc byte[RowHeadBytes];
        ReadExactly(head, start);
        var (inputs, labels) = (BinaryPrimitives.ReadInt32LittleEndian(head), BinaryPrimitives.ReadInt32LittleEndian(head[4..]));
        if (inputs < 0 || labels < -1 || start + RowHeadBytes + (4L * inputs) + (4L * Math.Max(0, labels)) != end)
            throw Changed();
        var ids = new int[inputs];
        ReadExactly(MemoryMarshal.AsBytes(ids.AsSpan()), start + RowHeadBytes);
        var expected = labels < 0 ? null : new int[labels];
        ReadExactly(MemoryMarshal.AsBytes(expected.AsSpan()), start + RowHeadBytes + (4L * inputs));
        return new TokenizedExample(ids, expected);
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Where the offsets are and how many rows there are; null if the file is not whole.</summary>
    private static (long Index, int Count)? Check(SafeFileHandle file, ReadOnlySpan<byte> key)
    {
        var length = RandomAccess.GetLength(file);
        Span<byte> head = stackalloc byte[HeadBytes];
        Span<byte> foot = stackalloc byte[FootBytes];
        if (length < HeadBytes + 8 + FootBytes || RandomAccess.Read(file, head, 0) != HeadBytes || RandomAccess.Read(file, foot, length - FootBytes) != FootBytes)
            return null;
        var (index, count) = (BinaryPrimitives.ReadInt64LittleEndian(foot), BinaryPrimitives.ReadInt64LittleEndian(foot[8..]));
        if (!head[..8].SequenceEqual(Magic) || !head[8..].SequenceEqual(key) || index < HeadBytes || count is < 0 or > int.MaxValue || index + (8 * (count + 1)) + FootBytes != length)
            return null;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[ChunkBytes];
        for (var at = 0L; at < length - 32;)
        {
            var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - 32 - at)), at);
            if (read == 0)
                return null;
            hash.AppendData(buffer, 0, read);
            at += read;
        }

        return hash.GetHashAndReset().AsSpan().SequenceEqual(foot[16..]) ? (index, (int)count) : null;
    }

    private void ReadExactly(Span<byte> bytes, long at)
    {
        while (!bytes.IsEmpty)
        {
            var read = RandomAccess.Read(_file, bytes, at);
            if (read == 0)
                throw Changed();
            bytes = bytes[read..];
            at += read;
        }
    }

    private TrainingDataException Changed() => new(_path, "the kept rows have changed since they were opened. Run again; rows that are not whole are made anew.");
}
