using System.Buffers.Binary;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>One string of a <see cref="ByteTrie"/> to be built.</summary>
/// <param name="Start">Where it starts in the blob.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Value">Its number.</param>
internal readonly record struct ByteTrieKey(int Start, int Length, int Value)
{
    /// <summary>Sorts by bytes. The first eight bytes settle most comparisons without touching the blob.</summary>
    public static void Sort(ReadOnlySpan<byte> blob, Span<ByteTrieKey> keys)
    {
        var prefixes = new ulong[keys.Length];
        Span<byte> padded = stackalloc byte[8];
        for (var i = 0; i < keys.Length; i++)
        {
            var key = blob.Slice(keys[i].Start, keys[i].Length);
            padded.Clear();
            key[..Math.Min(8, key.Length)].CopyTo(padded);
            prefixes[i] = BinaryPrimitives.ReadUInt64BigEndian(padded);
        }

        prefixes.AsSpan().Sort(keys);
        for (var i = 0; i < keys.Length;)
        {
            var end = i + 1;
            while (end < keys.Length && prefixes[end] == prefixes[i])
                end++;
            if (end - i > 1)
                SortTies(blob, keys[i..end]);
            i = end;
        }
    }

    private static unsafe void SortTies(ReadOnlySpan<byte> blob, Span<ByteTrieKey> keys)
    {
        // The comparison outlives no pointer: the sort ends before the blob is let go.
        fixed (byte* start = blob)
        {
            var address = (nint)start;
            keys.Sort((a, b) => new ReadOnlySpan<byte>((byte*)address + a.Start, a.Length)
                .SequenceCompareTo(new ReadOnlySpan<byte>((byte*)address + b.Start, b.Length)));
        }
    }
}
