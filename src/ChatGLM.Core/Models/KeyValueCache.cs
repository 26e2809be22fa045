using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// The keys and values of the tokens that a model has seen, per layer float32 [batch, keyValueHeads, capacity, headDim]; in a smaller <see cref="Format"/> they lie in pages. It lives outside the layers, so
/// that one model serves many conversations, and grows by doubling (or by pages), so that appending a token copies nothing but the token.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private const int FirstCapacity = 64;

    private readonly Backend _backend;
    private readonly Tensor?[] _keys;
    private readonly Tensor?[] _values;

    internal KeyValueCache(int layers, Backend backend, KeyValueFormat format = KeyValueFormat.Float32)
    {
        Format = format;
        Pages = format == KeyValueFormat.Float32 ? null : new CachePages(this, backend);
        _backend = backend;
        _keys = new Tensor?[layers];
        _values = new Tensor?[layers];
    }

    /// <summary>The number of layers.</summary>
    public int Layers => _keys.Length;

    /// <summary>The number of sequences; 0 while nothing has been appended.</summary>
    public int Batch => Pages?.Batch ?? _keys[0]?.Shape[0] ?? 0;

    /// <summary>How keys and values are held.</summary>
    public KeyValueFormat Format { get; }

    /// <summary>The tokens of each sequence, prefix and padding included.</summary>
    public int Length { get; private set; }

    /// <summary>The tokens there is room for without moving.</summary>
    public int Capacity => Pages?.Capacity ?? _keys[0]?.Shape[2] ?? 0;

    /// <summary>The memory of all layers in bytes.</summary>
    public long ByteLength => Pages?.ByteLength ?? _keys.Concat(_values).Sum(t => t?.ByteLength ?? 0);

    /// <summary>What stands before the first token, and is counted in <see cref="Length"/>.</summary>
    internal StandingPrompt Prompt { get; private set; }

    /// <summary>The pages of a smaller format; null with <see cref="KeyValueFormat.Float32"/>.</summary>
    internal CachePages? Pages { get; }

    /// <summary>The tokens of each sequence, without a prompt.</summary>
    internal int TokenLength => Length == 0 ? 0 : Length - Prompt.Length;

    /// <summary>A copy of one layer as Python has it: key and value, [seq, batch, keyValueHeads, headDim].</summary>
    public (Tensor Key, Tensor Value) Export(int layer)
    {
        if (Pages is not null)
            return Pages.Export(layer);
        var (key, value) = Slice(layer);
        using (key)
        using (value)
            return (_backend.Permute(key, [2, 0, 1, 3]), _backend.Permute(value, [2, 0, 1, 3]));
    }

    /// <summary>Forgets the tokens after the first <paramref name="length"/>: how a chat goes back to what two prompts share.</summary>
    public void Truncate(int length)
    {
        if (length < 0 || length > Length)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"The cache holds {Length} tokens.");
        if (length > 0 && length < Prompt.Length)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"The first {Prompt.Length} entries are a soft prompt, of which no part can go alone.");
        Length = length;
    }

    /// <summary>Sequence i becomes the old sequence <c>rows[i]</c>: how beams are reordered and multiplied.</summary>
    public void SelectRows(ReadOnlySpan<int> rows)
    {
        if (IsIdentity(rows))
            return;
        if (Pages is not null)
        {
            Pages.SelectRows(rows);
            return;
        }

        using var unscoped = TensorScope.Suspend();
        for (var layer = 0; layer < Layers; layer++)
        {
            Replace(ref _keys[layer], _backend.SelectRows(_keys[layer]!, rows));
            Replace(ref _values[layer], _backend.SelectRows(_values[layer]!, rows));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Pages?.Dispose();
        for (var layer = 0; layer < Layers; layer++)
        {
            Replace(ref _keys[layer], null);
            Replace(ref _values[layer], null);
        }

        Length = 0;
    }

    /// <summary>Writes a layer's new keys and values [batch, keyValueHeads, seq, headDim] after the others. <see cref="Length"/> moves when all layers are done: a pass that is
    /// cancelled half way leaves the cache as it was.</summary>
    /// <returns>The whole layer, [batch, keyValueHeads, capacity, headDim].</returns>
    internal (Tensor Key, Tensor Value) Append(int layer, Tensor key, Tensor value)
    {
        var (keys, values) = Room(layer, key.Shape);
        _backend.WriteSlice(keys, key, 2, Length);
        _backend.WriteSlice(values, value, 2, Length);
        return (keys, values);
    }

    /// <summary>Makes room for a layer's new keys and values [batch, keyValueHeads, seq, headDim], from <see cref="Length"/> on, for who writes them there itself.</summary>
    /// <returns>The whole layer, [batch, keyValueHeads, capacity, headDim].</returns>
    internal (Tensor Key, Tensor Value) Room(int layer, in Shape appended)
    {
        if (_keys[layer] is { } existing && existing.Shape[0] != appended[0])
            throw new ModelInputException("PastKeyValues", $"the cache holds {existing.Shape[0]} sequences, the inputs {appended[0]}.");
        Reserve(layer, appended, Length + appended[2]);
        return (_keys[layer]!, _values[layer]!);
    }

    /// <summary>Takes note of what stands before the first tokens, which are being appended.</summary>
    internal void Begin(StandingPrompt prompt) => Prompt = prompt;

    /// <summary>Counts the tokens that all layers have appended.</summary>
    internal void Advance(int tokens) => Length += tokens;

    /// <summary>Copies of what a layer holds, [batch, keyValueHeads, length, headDim].</summary>
    internal (Tensor Key, Tensor Value) Slice(int layer)
    {
        if (_keys[layer] is not { } key)
            throw new InvalidOperationException("Nothing has been appended to the cache yet.");
        return (_backend.Slice(key, 2, 0, Length), _backend.Slice(_values[layer]!, 2, 0, Length));
    }

    private static bool IsIdentityPrefix(ReadOnlySpan<int> rows)
    {
        for (var i = 0; i < rows.Length; i++)
        {
            if (rows[i] != i)
                return false;
        }

        return true;
    }

    private static void Replace(ref Tensor? slot, Tensor? tensor)
    {
        slot?.Dispose();
        slot = tensor;
    }

    private bool IsIdentity(ReadOnlySpan<int> rows) => rows.Length == Batch && IsIdentityPrefix(rows);

    private void Reserve(int layer, in Shape appended, int needed)
    {
        if (_keys[layer] is { } existing && existing.Shape[2] >= needed)
            return;
        var capacity = Math.Max(needed, Math.Max(FirstCapacity, 2 * (_keys[layer]?.Shape[2] ?? 0)));
        using var unscoped = TensorScope.Suspend();
        // Both or neither: where memory runs out between them, the cache stays as it was.
        var keys = Grown(_keys[layer], appended.With(2, capacity));
        Tensor values;
        try
        {
            values = Grown(_values[layer], appended.With(2, capacity));
        }
        catch
        {
            keys.Dispose();
            throw;
        }

        Replace(ref _keys[layer], keys);
        Replace(ref _values[layer], values);
    }

    private Tensor Grown(Tensor? old, in Shape shape)
    {
        var grown = Tensor.Empty(shape, DType.Float32, _backend);
        if (old is not null && Length > 0)
        {
            using var kept = _backend.Slice(old, 2, 0, Length);
            _backend.WriteSlice(grown, kept, 2, 0);
        }

        return grown;
    }
}
