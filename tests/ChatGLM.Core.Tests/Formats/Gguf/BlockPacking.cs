using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Formats.Gguf;

/// <summary>Numbers to blocks in the plainest way, from the definition of each format: enough for a test, not for a model.</summary>
internal static class BlockPacking
{
    public static byte[] Pack(float[] values, BlockFormat format)
    {
        var (columns, bytes) = BlockQuantizedWeight.BlockOf(format);
        var packed = new byte[values.Length / columns * bytes];
        for (var block = 0; block < values.Length / columns; block++)
            PackBlock(values.AsSpan(block * columns, columns), format, packed.AsSpan(block * bytes, bytes));
        return packed;
    }

    private static void PackBlock(ReadOnlySpan<float> values, BlockFormat format, Span<byte> block)
    {
        switch (format)
        {
            case BlockFormat.Q4_0:
                PackNibbles(AroundZero(values, 8, block), block[2..]);
                break;
            case BlockFormat.Q4_1:
                PackNibbles(WithMinimum(values, 15, block), block[4..]);
                break;
            case BlockFormat.Q5_0:
                var around = AroundZero(values, 16, block);
                PackNibbles(around, block[6..]);
                PackFifthBits(around, block[2..]);
                break;
            case BlockFormat.Q5_1:
                var above = WithMinimum(values, 31, block);
                PackNibbles(above, block[8..]);
                PackFifthBits(above, block[4..]);
                break;
            case BlockFormat.Q8_0:
                var scale = (Half)(values.ToArray().Max(Math.Abs) / 127);
                BitConverter.TryWriteBytes(block, scale);
                for (var i = 0; i < 32; i++)
                    block[2 + i] = (byte)(sbyte)Near(values[i], (float)scale, -127, 127);
                break;
            case BlockFormat.Q4_K:
            case BlockFormat.Q5_K:
                PackGroups(values, format, block);
                break;
            default:
                PackSixBits(values, block);
                break;
        }
    }

    private static int Near(float value, float scale, int min, int max) => scale == 0 ? 0 : Math.Clamp((int)MathF.Round(value / scale), min, max);

    private static int[] AroundZero(ReadOnlySpan<float> values, int offset, Span<byte> block)
    {
        var scale = (Half)(values.ToArray().MaxBy(Math.Abs) / -offset);
        BitConverter.TryWriteBytes(block, scale);
        return Array.ConvertAll(values.ToArray(), value => Near(value, (float)scale, -offset, offset - 1) + offset);
    }

    private static int[] WithMinimum(ReadOnlySpan<float> values, int steps, Span<byte> block)
    {
        var (min, max) = (values.ToArray().Min(), values.ToArray().Max());
        var (scale, minimum) = ((Half)((max - min) / steps), (Half)min);
        BitConverter.TryWriteBytes(block, scale);
        BitConverter.TryWriteBytes(block[2..], minimum);
        return Array.ConvertAll(values.ToArray(), value => Near(value - (float)minimum, (float)scale, 0, steps));
    }

    private static void PackNibbles(int[] numbers, Span<byte> to)
    {
        for (var i = 0; i < 16; i++)
            to[i] = (byte)((numbers[i] & 15) | ((numbers[i + 16] & 15) << 4));
    }

    private static void PackFifthBits(int[] numbers, Span<byte> to)
    {
        for (var i = 0; i < 32; i++)
            to[i / 8] |= (byte)(numbers[i] >> 4 << (i % 8));
    }

    private static void PackGroups(ReadOnlySpan<float> values, BlockFormat format, Span<byte> block)
    {
        var steps = format == BlockFormat.Q4_K ? 15 : 31;
        var groups = values.ToArray().Chunk(32).Select(group => (Scale: (group.Max() - Math.Min(0, group.Min())) / steps, Minimum: -Math.Min(0, group.Min()))).ToArray();
        var (d, e) = ((Half)(groups.Max(g => g.Scale) / 63), (Half)(groups.Max(g => g.Minimum) / 63));
        BitConverter.TryWriteBytes(block, d);
        BitConverter.TryWriteBytes(block[2..], e);
        var numbers = block[(format == BlockFormat.Q4_K ? 16 : 48)..];
        for (var group = 0; group < 8; group++)
        {
            var (s, t) = (Near(groups[group].Scale, (float)d, 0, 63), Near(groups[group].Minimum, (float)e, 0, 63));
            if (group < 4)
            {
                block[4 + group] |= (byte)s;
                block[8 + group] |= (byte)t;
            }
            else
            {
                block[8 + group] |= (byte)((s & 15) | ((t & 15) << 4));
                block[group] |= (byte)(s >> 4 << 6);
                block[4 + group] |= (byte)(t >> 4 << 6);
            }

            for (var i = 0; i < 32; i++)
            {
                var number = Near(values[(group * 32) + i] + ((float)e * t), (float)d * s, 0, steps);
                numbers[(group / 2 * 32) + i] |= (byte)((number & 15) << (group % 2 * 4));
                if (format == BlockFormat.Q5_K)
                    block[16 + i] |= (byte)(number >> 4 << group);
            }
        }
    }

    private static void PackSixBits(ReadOnlySpan<float> values, Span<byte> block)
    {
        var halves = values.ToArray().Chunk(16).Select(half => half.Max(Math.Abs) / 31).ToArray();
        var d = (Half)(halves.Max() / 127);
        BitConverter.TryWriteBytes(block[208..], d);
        for (var half = 0; half < 16; half++)
        {
            // Every other scale is negative: the format allows it, and the numbers turn with it.
            var s = Near(halves[half], (float)d, 0, 127) * (half % 2 == 0 ? 1 : -1);
            block[192 + half] = (byte)(sbyte)s;
            for (var i = half * 16; i < (half + 1) * 16; i++)
            {
                var number = Near(values[i], (float)d * s, -32, 31) + 32;
                var (part, group, column) = (i / 128, i % 128 / 32, i % 32);
                block[(part * 64) + (group % 2 * 32) + column] |= (byte)((number & 15) << (group / 2 * 4));
                block[128 + (part * 32) + column] |= (byte)(number >> 4 << (group * 2));
            }
        }
    }
}
