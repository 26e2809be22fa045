namespace ChatGLM.Tensors;

/// <summary>One page of a key-value cache, <see cref="KeyValuePageLayout"/> says how it is filled. Its memory is the backend's; dispose it to give that back.</summary>
public sealed class KeyValuePage : IDisposable
{
    /// <summary>Takes memory with undefined content. It belongs to no <see cref="TensorScope"/>.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="backend">The backend that computes on it.</param>
    public KeyValuePage(in KeyValuePageLayout layout, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Layout = layout;
        using var unscoped = TensorScope.Suspend();
        var (dtype, elementBytes) = layout.Format switch { KeyValueFormat.Float32 => (DType.Float32, 4), KeyValueFormat.Float16 => (DType.Float16, 2), _ => (DType.UInt8, 1) };
        Data = Tensor.Empty([checked((int)(layout.ByteLength / elementBytes))], dtype, backend);
    }

    /// <summary>The layout.</summary>
    public KeyValuePageLayout Layout { get; }

    /// <summary>All of it: float32, float16, or bytes with <see cref="KeyValueFormat.Int8"/>.</summary>
    public Tensor Data { get; }

    /// <summary>Makes the content that of another page of the same layout.</summary>
    public void CopyFrom(KeyValuePage other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Layout != Layout)
            throw new TensorException(nameof(CopyFrom), $"a page of {Layout} cannot hold one of {other.Layout}.");
        Data.Backend.WriteSlice(Data, other.Data, 0, 0);
    }

    /// <summary>The keys and values of one layer as numbers, each [positions, keyValueHeads, headDim]. For looking at, not for computing with: it goes through managed arrays.</summary>
    /// <param name="layer">The layer.</param>
    public (float[] Keys, float[] Values) Read(int layer)
    {
        var bytes = new byte[Layout.LayerBytes];
        Data.Read(layer * Layout.LayerBytes, bytes);
        var (heads, dim) = (Layout.KeyValueHeads, Layout.HeadDim);
        var (keys, values) = (new float[Layout.ElementsPerLayer], new float[Layout.ElementsPerLayer]);
        for (var head = 0; head < heads; head++)
        {
            for (var slot = 0; slot < KeyValuePageLayout.Positions; slot++)
            {
                for (var d = 0; d < dim; d++)
                {
                    var at = (((slot * heads) + head) * dim) + d;
                    keys[at] = Element(bytes, (((head * dim) + d) * KeyValuePageLayout.Positions) + slot, head, slot, isValue: false);
                    values[at] = Element(bytes, (((head * KeyValuePageLayout.Positions) + slot) * dim) + d, head, slot, isValue: true);
                }
            }
        }

        return (keys, values);
    }

    /// <inheritdoc/>
    public void Dispose() => Data.Dispose();

    /// <summary>A layer's keys in place, float32 [1, keyValueHeads, headDim, positions].</summary>
    internal Tensor Keys(int layer) => Part([1, Layout.KeyValueHeads, Layout.HeadDim, KeyValuePageLayout.Positions], layer * Layout.LayerBytes);

    /// <summary>A layer's values in place, float32 [1, keyValueHeads, positions, headDim].</summary>
    internal Tensor Values(int layer) => Part([1, Layout.KeyValueHeads, KeyValuePageLayout.Positions, Layout.HeadDim], (layer * Layout.LayerBytes) + Layout.ElementBytesPerLayer);

    private float Element(ReadOnlySpan<byte> layer, int element, int head, int slot, bool isValue)
    {
        var elements = layer[(int)(isValue ? Layout.ElementBytesPerLayer : 0)..];
        switch (Layout.Format)
        {
            case KeyValueFormat.Float32:
                return BitConverter.ToSingle(elements[(element * 4)..]);
            case KeyValueFormat.Float16:
                return (float)BitConverter.ToHalf(elements[(element * 2)..]);
            default:
                var scales = layer[(int)((2 * Layout.ElementBytesPerLayer) + (isValue ? Layout.ScaleBytesPerLayer : 0))..];
                return (sbyte)elements[element] * BitConverter.ToSingle(scales[(((head * KeyValuePageLayout.Positions) + slot) * sizeof(float))..]);
        }
    }

    private Tensor Part(in Shape shape, long byteOffset) => Layout.Format == KeyValueFormat.Float32
        ? Data.View(shape, byteOffset)
        : throw new TensorException(nameof(KeyValuePage), $"this backend ({Data.Device}) holds keys and values in float32 only, found {Layout.Format}.");
}
