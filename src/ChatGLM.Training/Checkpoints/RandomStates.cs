using System.Buffers.Binary;
using System.Numerics;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// The states of Python's and numpy's generators right after a seed, in the forms of <c>random.getstate()</c> and <c>numpy.random.get_state()</c>. Nothing here draws from them; Python asks
/// for them when it goes on from a checkpoint. Both are the Mersenne twister that PyTorch has, started otherwise.
/// </summary>
internal static class RandomStates
{
    private const int Words = 624;
    private const int WordsAt = 24;

    /// <summary>version, (624 words, position), no next normal number.</summary>
    public static object?[] Python(long seed)
    {
        // Matsumoto and Nishimura's init_by_array, with the words of the seed's absolute value as the key.
        var words = Seeded(19650218);
        var key = Key(seed);
        var (i, j) = (1, 0);
        for (var k = Math.Max(Words, key.Length); k > 0; k--)
        {
            words[i] = (words[i] ^ ((words[i - 1] ^ (words[i - 1] >> 30)) * 1664525u)) + key[j] + (uint)j;
            Advance();
            j = (j + 1) % key.Length;
        }

        for (var k = Words - 1; k > 0; k--)
        {
            words[i] = (words[i] ^ ((words[i - 1] ^ (words[i - 1] >> 30)) * 1566083941u)) - (uint)i;
            Advance();
        }

        words[0] = 0x80000000;
        return [3, (object?[])[.. words.Select(word => (object?)word), Words], null];

        void Advance()
        {
            if (++i < Words)
                return;
            words[0] = words[Words - 1];
            i = 1;
        }
    }

    /// <summary>The name of the generator, 624 words, position, whether there is a next normal number, that number.</summary>
    public static object?[] Numpy(long seed) => ["MT19937", Seeded((uint)seed).Select(word => (object?)word).ToArray(), Words, 0, 0.0];

    private static uint[] Seeded(uint seed)
    {
        var state = new TorchGenerator(seed).GetState();
        var words = new uint[Words];
        for (var i = 0; i < Words; i++)
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(state.AsSpan(WordsAt + (8 * i)));
        return words;
    }

    private static uint[] Key(long seed)
    {
        var number = BigInteger.Abs(seed);
        var (low, high) = ((uint)(number & uint.MaxValue), (uint)(number >> 32));
        return high == 0 ? [low] : [low, high];
    }
}
