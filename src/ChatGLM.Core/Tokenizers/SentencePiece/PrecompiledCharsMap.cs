using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// The normalisation rules of a model file: a double-array trie (in the layout of the Darts library, which the file holds ready made)
/// from the bytes of a character or sequence to its replacement, and all replacements, each ended by a zero byte.
/// </summary>
internal sealed class PrecompiledCharsMap
{
    /// <summary>Longer than any replacement in Unicode (18 characters); keeps a hostile file from blowing a text up.</summary>
    private const int MaxReplacementBytes = 256;
    private const uint Leaf = 0x80000000;

    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private PrecompiledCharsMap(uint[] units, byte[] replacements)
    {
        _units = units;
        _replacements = replacements;
    }

    /// <summary>Reads the map, or returns null for an empty one (no rules).</summary>
    /// <param name="blob">The bytes of the field.</param>
    /// <param name="origin">Where they start in the file, for error messages.</param>
    public static PrecompiledCharsMap? Parse(ReadOnlySpan<byte> blob, int origin)
    {
        if (blob.IsEmpty)
            return null;
        if (blob.Length <= 4)
            throw Damaged(origin, "a length of four bytes and a trie", $"{blob.Length} bytes");
        var trieBytes = BinaryPrimitives.ReadUInt32LittleEndian(blob);
        if (trieBytes >= blob.Length - 4 || trieBytes % 4 != 0 || trieBytes == 0)
            throw Damaged(origin, $"a trie of whole units within the {blob.Length - 4} bytes", $"a trie of {trieBytes} bytes");
        var units = MemoryMarshal.Cast<byte, uint>(blob.Slice(4, (int)trieBytes)).ToArray();
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(units, units);
        var replacements = blob[(4 + (int)trieBytes)..].ToArray();

        // What a step may reach is checked here once, so that normalising needs no checks of its own.
        for (var i = 0; i < units.Length; i++)
        {
            // The first unit is where every match begins, whatever it says of itself; of the others a step enters none that is a leaf.
            if (i > 0 && (units[i] & Leaf) != 0)
            {
                if ((units[i] & ~Leaf) >= replacements.Length)
                    throw Damaged(origin + 4 + (i * 4), $"a replacement within {replacements.Length} bytes", $"{units[i] & ~Leaf}");
            }
            else if (((uint)i ^ OffsetOf(units[i]) | 0xFF) >= units.Length)
            {
                throw Damaged(origin + 4 + (i * 4), $"a unit whose children lie within {units.Length} units", $"offset {OffsetOf(units[i])}");
            }
        }

        for (var start = 0; start < replacements.Length;)
        {
            var length = replacements.AsSpan(start).IndexOf((byte)0);
            if (length < 0)
                length = replacements.Length - start;
            if (length > MaxReplacementBytes)
                throw Damaged(origin + 4 + (int)trieBytes + start, $"a replacement of at most {MaxReplacementBytes} bytes", $"{length} bytes");
            start += length + 1;
        }

        return new PrecompiledCharsMap(units, replacements);
    }

    /// <summary>Whether any rule starts with this byte.</summary>
    public bool MayStartWith(byte b) => (_units[OffsetOf(_units[0]) ^ b] & (Leaf | 0xFF)) == b;

    /// <summary>Finds the longest rule that <paramref name="text"/> starts with.</summary>
    /// <returns>The bytes it covers, or 0 when there is none.</returns>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        var units = _units;
        var node = OffsetOf(units[0]);
        var longest = 0;
        var value = 0u;
        for (var i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            var unit = units[node];
            if ((unit & (Leaf | 0xFF)) != text[i])
                break;
            node ^= OffsetOf(unit);
            if ((unit >> 8 & 1) != 0)
            {
                longest = i + 1;
                value = units[node] & ~Leaf;
            }
        }

        replacement = default;
        if (longest > 0)
        {
            var rest = value < _replacements.Length ? _replacements.AsSpan((int)value) : default;
            var end = rest.IndexOf((byte)0);
            replacement = end < 0 ? rest : rest[..end];
        }

        return longest;
    }

    private static uint OffsetOf(uint unit) => (unit >> 10) << (int)((unit & (1u << 9)) >> 6);

    private static TokenizerException Damaged(int offset, string expected, string found) =>
        new($"The SentencePiece model is damaged at byte {offset}, in precompiled_charsmap: expected {expected}, found {found}. Download the file again.");
}
