namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <summary>An element of a block: the whole number, what it is multiplied by, and what is added.</summary>
    private readonly record struct BlockElement(int Number, float Scale, float Minimum);

    private Tensor DequantizeBlocks(BlockQuantizedWeight weight)
    {
        var y = New([weight.OutFeatures, weight.InFeatures]);
        for (var row = 0; row < weight.OutFeatures; row++)
        {
            for (var column = 0; column < weight.InFeatures; column++)
            {
                var element = ElementOf(weight, row, column);
                var value = element.Number * element.Scale;
                Set(y, ((long)row * weight.InFeatures) + column, HasMinimum(weight.Format) ? value + element.Minimum : value);
            }
        }

        return y;
    }

    /// <summary>Activations in 8 bits with a scale for 32; lanes of four columns, each a float32 chain over the groups; then halves of the lanes are added until one is left.</summary>
    private Tensor LinearBlocks(Tensor x, BlockQuantizedWeight weight, Tensor? bias)
    {
        var (inputs, outputs) = (weight.InFeatures, weight.OutFeatures);
        var y = New(x.Shape.With(x.Shape.Rank - 1, outputs));
        var numbers = new int[inputs];
        var scales = new float[inputs / 32];
        for (long row = 0; row < y.Shape.RowCount; row++)
        {
            RoundActivations(x, row, inputs, 32, 127, numbers, scales);
            for (var output = 0; output < outputs; output++)
            {
                var lanes = new float[8];
                var rest = new float[8];
                for (var group = 0; group < scales.Length; group++)
                {
                    for (var lane = 0; lane < 8; lane++)
                    {
                        var product = 0;
                        for (var i = 0; i < 4; i++)
                            product += numbers[(group * 32) + (lane * 4) + i] * ElementOf(weight, output, (group * 32) + (lane * 4) + i).Number;
                        lanes[lane] = MathF.FusedMultiplyAdd(product, ElementOf(weight, output, (group * 32) + (lane * 4)).Scale * scales[group], lanes[lane]);
                    }

                    var total = scales[group] * numbers.AsSpan(group * 32, 32).ToArray().Sum();
                    rest[group % 8] = MathF.FusedMultiplyAdd(ElementOf(weight, output, group * 32).Minimum, total, rest[group % 8]);
                }

                var sum = SumOfLanes(lanes);
                if (HasMinimum(weight.Format))
                    sum += SumOfLanes(rest);
                Set(y, (row * outputs) + output, bias is null ? sum : sum + (float)Get(bias, output));
            }
        }

        return y;
    }

    private static float SumOfLanes(float[] lanes) => lanes[0] + lanes[4] + (lanes[2] + lanes[6]) + (lanes[1] + lanes[5] + (lanes[3] + lanes[7]));

    private static bool HasMinimum(BlockFormat format) => format is BlockFormat.Q4_1 or BlockFormat.Q5_1 or BlockFormat.Q4_K or BlockFormat.Q5_K;

    private static BlockElement ElementOf(BlockQuantizedWeight weight, int row, int column)
    {
        var (columns, bytes) = BlockQuantizedWeight.BlockOf(weight.Format);
        var block = weight.Data.AsSpan<byte>().Slice((row * weight.Data.Shape[1]) + (column / columns * bytes), bytes);
        var i = column % columns;
        var group = i / 32;
        return weight.Format switch
        {
            BlockFormat.Q4_0 => new(Nibble(block[2..], i) - 8, Half(block, 0), 0),
            BlockFormat.Q4_1 => new(Nibble(block[4..], i), Half(block, 0), Half(block, 2)),
            BlockFormat.Q5_0 => new((Nibble(block[6..], i) | (Bit(block[2..], i) << 4)) - 16, Half(block, 0), 0),
            BlockFormat.Q5_1 => new(Nibble(block[8..], i) | (Bit(block[4..], i) << 4), Half(block, 0), Half(block, 2)),
            BlockFormat.Q8_0 => new((sbyte)block[2 + i], Half(block, 0), 0),
            BlockFormat.Q4_K => new(PairNibble(block[16..], i), Half(block, 0) * SixBits(block[4..], group).Scale, -(Half(block, 2) * SixBits(block[4..], group).Minimum)),
            BlockFormat.Q5_K => new(
                PairNibble(block[48..], i) | (((block[16 + (i % 32)] >> group) & 1) << 4), Half(block, 0) * SixBits(block[4..], group).Scale, -(Half(block, 2) * SixBits(block[4..], group).Minimum)),
            BlockFormat.Q6_K => new(SixBitNumber(block, i) - 32, Half(block, 208) * (sbyte)block[192 + (i / 16)], 0),
            _ => throw new ArgumentOutOfRangeException(nameof(weight)),
        };
    }

    private static float Half(ReadOnlySpan<byte> block, int at) => (float)BitConverter.ToHalf(block[at..]);

    /// <summary>Of 16 bytes, the low halves first.</summary>
    private static int Nibble(ReadOnlySpan<byte> bytes, int i) => i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4;

    /// <summary>Of 32 bytes for every 64 columns, the low halves first.</summary>
    private static int PairNibble(ReadOnlySpan<byte> bytes, int i) => (bytes[(i / 64 * 32) + (i % 32)] >> (i / 32 % 2 * 4)) & 15;

    private static int Bit(ReadOnlySpan<byte> bytes, int i) => (bytes[i / 8] >> (i % 8)) & 1;

    private static (int Scale, int Minimum) SixBits(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 63, packed[4 + group] & 63)
        : ((packed[4 + group] & 15) | (packed[group - 4] >> 6 << 4), (packed[4 + group] >> 4) | (packed[group] >> 6 << 4));

    private static int SixBitNumber(ReadOnlySpan<byte> block, int i)
    {
        var (half, group, column) = (i / 128, i % 128 / 32, i % 32);
        var four = block[(half * 64) + (group % 2 * 32) + column] >> (group / 2 * 4) & 15;
        var two = block[128 + (half * 32) + column] >> (group * 2) & 3;
        return four | (two << 4);
    }
}
