using System.Buffers.Binary;

namespace ChatGLM.Fuzz;

/// <summary>Damages a file in the ways files get damaged, and in those an attacker would: flips, cuts, splices, numbers at the edges of their types.</summary>
public static class Mutator
{
    /// <summary>No mutation lets a file grow beyond this.</summary>
    private const int MaxBytes = 1 << 16;

    public static byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, FuzzRandom random)
    {
        var bytes = file.ToList();
        for (var count = 1 + random.Below(4); count > 0; count--)
            Step(bytes, others, random);
        if (bytes.Count > MaxBytes)
            bytes.RemoveRange(MaxBytes, bytes.Count - MaxBytes);
        return [.. bytes];
    }

    private static void Step(List<byte> bytes, IReadOnlyList<byte[]> others, FuzzRandom random)
    {
        if (bytes.Count == 0)
        {
            bytes.Add((byte)random.Next());
            return;
        }

        var at = random.Below(bytes.Count);
        var run = 1 + random.Below(Math.Min(32, bytes.Count - at));
        switch (random.Below(9))
        {
            case 0: bytes[at] ^= (byte)(1 << random.Below(8)); break;
            case 1: bytes[at] = (byte)random.Next(); break;
            case 2: bytes.RemoveRange(at, bytes.Count - at); break;
            case 3: bytes.RemoveRange(at, run); break;
            case 4: bytes.InsertRange(at, bytes.GetRange(at, run)); break;
            case 5: bytes.InsertRange(at, Enumerable.Range(0, run).Select(_ => (byte)random.Next())); break;
            case 6: Splice(bytes, random.Of(others), at, random); break;
            case 7: WriteNumber(bytes, at, random); break;
            default: ReplaceDigits(bytes, at, random); break;
        }
    }

    private static void Splice(List<byte> bytes, byte[] other, int at, FuzzRandom random)
    {
        var from = random.Below(other.Length);
        if (random.OneIn(2))
            bytes.RemoveRange(at, bytes.Count - at);
        bytes.InsertRange(at, other.AsSpan(from, random.Below(other.Length - from + 1)).ToArray());
    }

    private static void WriteNumber(List<byte> bytes, int at, FuzzRandom random)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(number, random.Edge());
        var width = Math.Min(1 << random.Below(4), bytes.Count - at);
        for (var i = 0; i < width; i++)
            bytes[at + i] = number[i];
    }

    /// <summary>Puts another number in the place of the next one written in digits, as JSON has them.</summary>
    private static void ReplaceDigits(List<byte> bytes, int at, FuzzRandom random)
    {
        var begin = bytes.FindIndex(at, b => b is >= (byte)'0' and <= (byte)'9');
        if (begin < 0)
            return;
        var end = begin;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
            end++;
        bytes.RemoveRange(begin, end - begin);
        var text = random.OneIn(4) ? random.Of(["-1", "1.5", "1e3", "\"1\"", "null", "[]", "99999999999999999999"]) : random.Edge().ToString();
        bytes.InsertRange(begin, System.Text.Encoding.ASCII.GetBytes(text));
    }
}
