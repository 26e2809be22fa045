namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// Rows of activations in 16 bits, with a scale for each segment of 512 columns: what a row-quantized weight is multiplied with where no gradient will be asked for. A sum over a segment is then an exact 32-bit
/// integer: 512 * 128 * 32767 just fits. A single row, which arithmetic does not bound, has 16 bits more of every number, so that nothing that a float32 holds is lost. It lives in scratch memory for one product.
/// </summary>
internal readonly unsafe struct RoundedRows
{
    /// <summary>Columns that share a scale.</summary>
    public const int SegmentColumns = 512;

    /// <summary>Pairs of numbers in a segment.</summary>
    public const int SegmentPairs = SegmentColumns / 2;

    /// <summary>What a low number counts: they go from -16384 to 16384, half a unit of the high ones.</summary>
    public const float LowUnit = 1f / 32768;

    /// <summary>Lays the parts out in scratch memory.</summary>
    /// <param name="memory">As many bytes as <see cref="ByteLength"/> says, aligned to 64.</param>
    /// <param name="rows">Rows of activations.</param>
    /// <param name="inputs">Columns.</param>
    /// <param name="lanes">For a single row: how many words of the weight a vector holds.</param>
    /// <param name="tileRows">For many rows: how many of them are interleaved into a panel; 0 for a single one.</param>
    public RoundedRows(void* memory, int rows, int inputs, int lanes, int tileRows)
    {
        Rows = rows;
        Segments = SegmentsOf(inputs);
        Lanes = lanes;
        TileRows = tileRows;
        Scales = (float*)memory;
        Pairs = (int*)memory + ((((long)rows * Segments) + 15) / 16 * 16);
    }

    /// <summary>Rows that count.</summary>
    public int Rows { get; }

    /// <summary>Segments of a row, at least one.</summary>
    public int Segments { get; }

    /// <summary>Words of the weight in a vector.</summary>
    public int Lanes { get; }

    /// <summary>Rows in a panel, or 0.</summary>
    public int TileRows { get; }

    /// <summary>[segments, rows]: what the numbers are multiplied by. NaN where an activation is not finite, so that the result is not either.</summary>
    public float* Scales { get; }

    /// <summary>
    /// Pairs of numbers in the order of <see cref="RowFields{TFormat}"/>. A single row: a vector of the first pairs of <see cref="Lanes"/> words, one of the second, and so on. Many rows: segment by segment, panel
    /// by panel, every pair for all rows of the panel before the next.
    /// </summary>
    public int* Pairs { get; }

    /// <summary>Of a single row, the low numbers in the same order.</summary>
    public int* LowPairs => Pairs + (Segments * SegmentPairs);

    /// <summary>Panels of rows.</summary>
    public int Panels => (Rows + TileRows - 1) / TileRows;

    /// <summary>Where a panel's part of a segment begins.</summary>
    public int* Panel(int segment, int panel) => Pairs + ((((nint)segment * Panels) + panel) * SegmentPairs * TileRows);

    /// <summary>The memory that the parts take.</summary>
    public static long ByteLength(int rows, int inputs, int tileRows)
    {
        long segments = SegmentsOf(inputs);
        var stored = tileRows == 0 ? 2L : (rows + tileRows - 1) / tileRows * tileRows;
        return sizeof(int) * ((rows * segments) + 16 + (stored * segments * SegmentPairs));
    }

    private static int SegmentsOf(int inputs) => Math.Max(1, (int)(((long)inputs + SegmentColumns - 1) / SegmentColumns));
}
