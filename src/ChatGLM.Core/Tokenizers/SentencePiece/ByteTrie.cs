using System.Runtime.CompilerServices;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// A set of byte strings with a number each, as a double array: a step is one load. A unit holds, from the low bits up, its label + 1
/// (9 bits, 0 = free), the base of its children (27 bits) and its value + 1 (28 bits, 0 = none). The child of a unit for byte c is unit
/// base ^ c, so that all children of a unit lie in one block of 256.
/// </summary>
internal sealed class ByteTrie
{
    public const int Root = 0;
    private const int LabelMask = 0x1FF;
    private const int BaseShift = 9;
    private const int BaseMask = 0x7FFFFFF;
    private const int ValueShift = 36;

    private readonly ulong[] _units;

    private ByteTrie(ulong[] units) => _units = units;

    /// <summary>The units, for the loops where a call for each byte would show; see <see cref="TryStep"/>.</summary>
    public ReadOnlySpan<ulong> Units => _units;

    /// <summary>The value of a unit, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int ValueOf(ulong unit) => (int)(unit >> ValueShift) - 1;

    /// <summary>Goes from a unit to its child for one byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStep(ReadOnlySpan<ulong> units, ref ulong unit, byte label)
    {
        // A unit without children has base 0, which is nobody's base: block 0 then holds no unit with this label.
        unit = units[((int)(unit >> BaseShift) & BaseMask) ^ label];
        return ((int)unit & LabelMask) == label + 1;
    }

    /// <summary>The number of a string, or -1 when it is not in the set.</summary>
    public int Find(ReadOnlySpan<byte> key)
    {
        ReadOnlySpan<ulong> units = _units;
        var unit = units[Root];
        foreach (var b in key)
        {
            if (!TryStep(units, ref unit, b))
                return -1;
        }

        return ValueOf(unit);
    }

    /// <summary>The length of the longest string of the set that <paramref name="text"/> starts with, or 0.</summary>
    public int LongestPrefix(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<ulong> units = _units;
        var unit = units[Root];
        var longest = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (!TryStep(units, ref unit, text[i]))
                break;
            if (ValueOf(unit) >= 0)
                longest = i + 1;
        }

        return longest;
    }

    /// <summary>Builds the trie of strings that lie in one blob.</summary>
    /// <param name="blob">The bytes of all strings.</param>
    /// <param name="keys">Where each string lies, and its value. They are sorted here.</param>
    /// <exception cref="DuplicateKeyException">Two strings are the same.</exception>
    public static ByteTrie Build(ReadOnlySpan<byte> blob, Span<ByteTrieKey> keys)
    {
        ByteTrieKey.Sort(blob, keys);
        return new ByteTrie(new Builder(blob, keys).Build());
    }

    /// <summary>Two strings of a set are the same.</summary>
    internal sealed class DuplicateKeyException(int first, int second) : Exception
    {
        public int First { get; } = first;

        public int Second { get; } = second;
    }

    private ref struct Builder(ReadOnlySpan<byte> blob, ReadOnlySpan<ByteTrieKey> keys)
    {
        /// <summary>Blocks further back than this are not searched for room: that bounds the time of the build.</summary>
        private const int OpenBlocks = 16;
        private const int BlockSize = 256;

        private readonly ReadOnlySpan<byte> _blob = blob;
        private readonly ReadOnlySpan<ByteTrieKey> _keys = keys;
        private ulong[] _units = [];
        private bool[] _baseUsed = [];
        private int[] _nextFree = [];
        private int[] _previousFree = [];
        private int _firstFree = -1;
        private int _lastFree = -1;
        private int _size;

        public ulong[] Build()
        {
            AddBlock();
            Take(Root);
            _baseUsed[0] = true;
            var work = new Stack<(int Begin, int End, int Depth, int Unit)>();
            work.Push((0, _keys.Length, 0, Root));
            Span<byte> labels = stackalloc byte[256];
            Span<int> starts = stackalloc int[257];
            while (work.TryPop(out var node))
            {
                var (begin, end, depth, unit) = node;
                if (begin < end && _keys[begin].Length == depth)
                {
                    _units[unit] |= (ulong)(_keys[begin].Value + 1) << ValueShift;
                    if (begin + 1 < end && _keys[begin + 1].Length == depth)
                        throw new DuplicateKeyException(_keys[begin].Value, _keys[begin + 1].Value);
                    begin++;
                }

                var count = 0;
                for (var i = begin; i < end; i++)
                {
                    var label = _blob[_keys[i].Start + depth];
                    if (count > 0 && labels[count - 1] == label)
                        continue;
                    labels[count] = label;
                    starts[count++] = i;
                }

                if (count == 0)
                    continue;
                starts[count] = end;
                var childBase = FindBase(labels[..count]);
                _baseUsed[childBase] = true;
                _units[unit] |= (ulong)childBase << BaseShift;
                for (var i = 0; i < count; i++)
                {
                    Take(childBase ^ labels[i]);
                    _units[childBase ^ labels[i]] = (ulong)(labels[i] + 1);
                }

                // Pushed from the last: neighbours in the key order then come to lie near one another.
                for (var i = count - 1; i >= 0; i--)
                    work.Push((starts[i], starts[i + 1], depth + 1, childBase ^ labels[i]));
            }

            return _units.AsSpan(0, _size).ToArray();
        }

        private int FindBase(scoped ReadOnlySpan<byte> labels)
        {
            for (var free = _firstFree; free >= 0; free = _nextFree[free])
            {
                var candidate = free ^ labels[0];
                if (_baseUsed[candidate])
                    continue;
                var fits = true;
                for (var i = 1; i < labels.Length && fits; i++)
                    fits = IsFree(candidate ^ labels[i]);
                if (fits)
                    return candidate;
            }

            AddBlock();
            return (_size - BlockSize) ^ labels[0];
        }

        private readonly bool IsFree(int unit) => _nextFree[unit] != Taken;

        private const int Taken = -2;

        private void Take(int unit)
        {
            var (previous, next) = (_previousFree[unit], _nextFree[unit]);
            if (next == Taken)
                return;
            if (previous >= 0)
                _nextFree[previous] = next;
            else if (_firstFree == unit)
                _firstFree = next;
            if (next >= 0)
                _previousFree[next] = previous;
            else if (_lastFree == unit)
                _lastFree = previous;
            _nextFree[unit] = Taken;
        }

        private void AddBlock()
        {
            var start = _size;
            _size = checked(_size + BlockSize);
            if (_size > BaseMask)
                throw new TokenizerException("The SentencePiece model holds more text than this library reads. Use a smaller vocabulary.");
            if (_size > _units.Length)
            {
                var capacity = Math.Max(_size, _units.Length * 2);
                Array.Resize(ref _units, capacity);
                Array.Resize(ref _baseUsed, capacity);
                Array.Resize(ref _nextFree, capacity);
                Array.Resize(ref _previousFree, capacity);
            }

            var closed = start - (OpenBlocks * BlockSize);
            if (closed >= 0)
            {
                for (var i = closed; i < closed + BlockSize; i++)
                    Take(i);
            }

            for (var i = start; i < _size; i++)
            {
                _previousFree[i] = _lastFree;
                _nextFree[i] = -1;
                if (_lastFree >= 0)
                    _nextFree[_lastFree] = i;
                else
                    _firstFree = i;
                _lastFree = i;
            }
        }
    }
}
