using System.Numerics;

namespace ChatGLM.Tensors;

/// <summary>
/// PyTorch's CPU random number generator: the 32-bit Mersenne Twister with torch's seeding, distributions and order of draws, so
/// that one seed means the same numbers as <c>torch.manual_seed(seed)</c>. Not safe for use by several threads at once.
/// </summary>
public sealed partial class TorchGenerator
{
    /// <summary>The seed of a generator that was given none, as <c>torch.Generator()</c> has it.</summary>
    public const ulong DefaultSeed = 67280421310721;

    private const int StateWords = 624;
    private const int Shift = 397;
    private const uint TwistMatrix = 0x9908b0df;

    private readonly uint[] _words = new uint[StateWords];

    // torch's own two counters, kept as it keeps them because a saved state holds both: words left before the next twist
    // (plus one), and the position of the next word.
    private int _left;
    private int _next;

    // The second half of a Box-Muller pair, which the short path of Normal hands out on its next draw.
    private double _nextNormal;
    private bool _hasNextNormal;

    // Nothing on a CPU ever draws this one, but a saved state carries it and must come back unchanged.
    private float _nextSingleNormal;
    private bool _hasNextSingleNormal;

    /// <summary>Creates a generator.</summary>
    /// <param name="seed">The seed, as given to <c>torch.manual_seed</c>; a negative one is its two's complement.</param>
    public TorchGenerator(ulong seed = DefaultSeed) => ManualSeed(seed);

    /// <summary>The seed that was last set (<c>initial_seed()</c>).</summary>
    public ulong InitialSeed { get; private set; }

    /// <summary>Starts again from a seed, as <c>torch.manual_seed</c> does; the twister itself takes the low 32 bits.</summary>
    /// <param name="seed">The seed.</param>
    public void ManualSeed(ulong seed)
    {
        InitialSeed = seed;
        var words = _words;
        words[0] = (uint)seed;
        for (var i = 1; i < StateWords; i++)
            words[i] = 1812433253u * (words[i - 1] ^ (words[i - 1] >> 30)) + (uint)i;
        _left = 1;
        _next = 0;
        _hasNextNormal = false;
        _hasNextSingleNormal = false;
        _nextNormal = 0;
        _nextSingleNormal = 0;
    }

    /// <summary>The next 32 random bits.</summary>
    /// <returns>A word of the Mersenne Twister.</returns>
    public uint NextUInt32()
    {
        if (--_left == 0)
            Twist();
        var word = _words[_next++];
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c5680;
        word ^= (word << 15) & 0xefc60000;
        return word ^ (word >> 18);
    }

    /// <summary>The next 64 random bits: two words, the first one on top.</summary>
    /// <returns>Two words of the Mersenne Twister.</returns>
    public ulong NextUInt64()
    {
        ulong high = NextUInt32();
        return (high << 32) | NextUInt32();
    }

    /// <summary>A whole number from 0 to <see cref="long.MaxValue"/>, as <c>torch.empty((), dtype=torch.int64).random_()</c>: how torch draws a seed from a generator.</summary>
    /// <returns>A non-negative number.</returns>
    public long NextInt64() => (long)(NextUInt64() & long.MaxValue);

    /// <summary>A float32 from [0, 1) with 24 random bits, as <c>torch.rand(1)</c>.</summary>
    /// <returns>A multiple of 2^-24 below 1.</returns>
    public float NextSingle() => (NextUInt32() & 0xFFFFFF) * (1f / (1 << 24));

    /// <summary>A float64 from [0, 1) with 53 random bits, as <c>torch.rand(1, dtype=torch.float64)</c>.</summary>
    /// <returns>A multiple of 2^-53 below 1.</returns>
    public double NextDouble() => (NextUInt64() & ((1UL << 53) - 1)) * (1.0 / (1UL << 53));

    /// <summary>Passes over words without working them out: where a draw's value cannot matter but its place in the order does.</summary>
    internal void Skip(long words)
    {
        while (words > 0)
        {
            if (--_left == 0)
                Twist();
            _next++;
            words--;
            var passed = (int)Math.Min(words, _left - 1);
            _left -= passed;
            _next += passed;
            words -= passed;
        }
    }

    private void Twist()
    {
        var words = _words.AsSpan();
        TwistRun(words[..(StateWords - Shift + 1)], words[Shift..]);
        TwistRun(words[(StateWords - Shift)..], words);
        words[StateWords - 1] = words[Shift - 1] ^ Mix(words[StateWords - 1], words[0]);
        _left = StateWords;
        _next = 0;
    }

    /// <summary>
    /// Twists all of <paramref name="run"/> but its last word, which only lends its bits to the one before. A lane reads its own and the
    /// next old word and one that lies at least 227 words away, so any vector width sees what the scalar loop sees.
    /// </summary>
    private static void TwistRun(Span<uint> run, ReadOnlySpan<uint> distant)
    {
        var count = run.Length - 1;
        var i = 0;
        for (; i <= count - Vector<uint>.Count; i += Vector<uint>.Count)
        {
            var high = new Vector<uint>(run[i..]) & new Vector<uint>(0x80000000u);
            var low = new Vector<uint>(run[(i + 1)..]);
            var mixed = (high | (low & new Vector<uint>(0x7fffffffu))) >>> 1;
            var matrix = (Vector<uint>.Zero - (low & Vector<uint>.One)) & new Vector<uint>(TwistMatrix);
            (new Vector<uint>(distant[i..]) ^ mixed ^ matrix).CopyTo(run[i..]);
        }

        for (; i < count; i++)
            run[i] = distant[i] ^ Mix(run[i], run[i + 1]);
    }

    private static uint Mix(uint high, uint low) =>
        (((high & 0x80000000u) | (low & 0x7fffffffu)) >> 1) ^ ((0u - (low & 1)) & TwistMatrix);
}
