using System.Runtime.Intrinsics;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// How the numbers of a block format come apart. A group is 32 columns, and eight groups are a chunk: a block of 256 columns, or eight blocks of 32. The last chunk of a row can have fewer groups; nothing behind them is
/// read, because it can be the end of a mapped file.
/// </summary>
internal unsafe interface IBlockFormat
{
    /// <summary>What an element of zero is loaded as: 128 where all eight bits of a byte count.</summary>
    static abstract int Offset { get; }

    /// <summary>Whether a group has a minimum, which is added to its elements.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>Whether the two halves of a group have scales of their own.</summary>
    static abstract bool HasHalfScales { get; }

    /// <summary>Bytes of a whole chunk.</summary>
    static abstract int ChunkBytes { get; }

    /// <summary>The scales of a chunk's groups, eight numbers or, of half groups, sixteen; and the minimums, if there are any. Those of groups that are missing are 0.</summary>
    static abstract void Scales(byte* chunk, int groups, float* scales, float* minimums);

    /// <summary>The numbers of a group as unsigned bytes, columns 0 to 15 and 16 to 31.</summary>
    /// <param name="chunk">The first byte of the chunk.</param>
    /// <param name="pair">Half the index of the group in the chunk.</param>
    /// <param name="isOdd">Whether the group is the second one of the pair; a constant where this is inlined.</param>
    /// <param name="first">Columns 0 to 15.</param>
    /// <param name="second">Columns 16 to 31.</param>
    static abstract void Load(byte* chunk, int pair, bool isOdd, out Vector128<byte> first, out Vector128<byte> second);
}
