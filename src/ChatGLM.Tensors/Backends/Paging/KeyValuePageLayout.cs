namespace ChatGLM.Tensors;

/// <summary>
/// How a page of a key-value cache lies in memory: <see cref="Positions"/> consecutive tokens of one sequence in all layers. Layer after layer there are the keys [keyValueHeads, headDim, positions],
/// transposed so that one load reads a number of several keys, the values [keyValueHeads, positions, headDim], and with <see cref="KeyValueFormat.Int8"/> the scales of the keys and those of the
/// values, each float32 [keyValueHeads, positions].
/// </summary>
/// <param name="Layers">The layers.</param>
/// <param name="KeyValueHeads">The key and value heads of a layer.</param>
/// <param name="HeadDim">The elements of a head.</param>
/// <param name="Format">The form of the elements.</param>
public readonly record struct KeyValuePageLayout(int Layers, int KeyValueHeads, int HeadDim, KeyValueFormat Format)
{
    /// <summary>The tokens of a page.</summary>
    public const int Positions = 32;

    /// <summary>The elements of a layer's keys, and of its values.</summary>
    public long ElementsPerLayer => (long)KeyValueHeads * HeadDim * Positions;

    /// <summary>The bytes of one element.</summary>
    public int ElementBytes => Format switch { KeyValueFormat.Float32 => 4, KeyValueFormat.Float16 => 2, _ => 1 };

    /// <summary>The bytes of a layer's keys, and of its values, without scales.</summary>
    public long ElementBytesPerLayer => ElementsPerLayer * ElementBytes;

    /// <summary>The bytes of the scales of a layer's keys, and of those of its values; 0 without scales.</summary>
    public long ScaleBytesPerLayer => Format == KeyValueFormat.Int8 ? (long)KeyValueHeads * Positions * sizeof(float) : 0;

    /// <summary>The bytes of one layer.</summary>
    public long LayerBytes => 2 * (ElementBytesPerLayer + ScaleBytesPerLayer);

    /// <summary>The bytes of a page.</summary>
    public long ByteLength => Layers * LayerBytes;

    /// <summary>The pages that so many tokens need.</summary>
    public static int PagesOf(int tokens) => (tokens + Positions - 1) / Positions;
}
