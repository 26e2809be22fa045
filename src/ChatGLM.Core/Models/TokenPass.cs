using System.Runtime.InteropServices;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// One more token of each row on its way through a model: the buffers that its numbers go through, made once and used for every token, so that a token makes no handle and rents no memory.
/// The handles never leave this class and the model's own code: a module that is not ours (an adapter around a layer, say) gets a copy that goes with its call, as a layer's input does in a
/// forward pass.
/// </summary>
internal sealed class TokenPass : IDisposable
{
    private readonly Backend _backend;
    private readonly long[] _ids;
    private readonly long[] _positions;
    private readonly Tensor _idTensor;
    private bool[] _hidden = [];
    private Tensor? _hiddenRoom;

    /// <param name="kernels">The kernels of the backend.</param>
    /// <param name="backend">Where the model lies.</param>
    /// <param name="rows">The sequences.</param>
    /// <param name="sizes">The widths of the model.</param>
    public TokenPass(DecodeKernels kernels, Backend backend, int rows, in TokenPassSizes sizes)
    {
        (Kernels, _backend, Rows) = (kernels, backend, rows);
        _ids = new long[rows];
        _positions = new long[rows * sizes.Sections];
        var layout = sizes.Layout;
        using var unscoped = TensorScope.Suspend();
        _idTensor = Tensor.Empty([rows, 1], DType.Int64, backend);
        Positions = Tensor.Empty(sizes.Sections == 1 ? [rows, 1] : [rows, sizes.Sections, 1], DType.Int64, backend);
        Hidden = Buffer(sizes.Hidden);
        Normed = Buffer(sizes.Hidden);
        Output = Buffer(sizes.Hidden);
        Projection = Buffer(layout.Width);
        Query = Tensor.Empty([rows, layout.Heads, 1, layout.HeadDim], DType.Float32, backend);
        Attended = Buffer(layout.Heads * layout.HeadDim);
        Inner = Buffer(sizes.Inner);
        Gated = Buffer(sizes.Gated);
        Scores = Buffer(sizes.Vocabulary);

        Tensor Buffer(int width) => Tensor.Empty([rows, 1, width], DType.Float32, backend);
    }

    public DecodeKernels Kernels { get; }

    /// <summary>The sequences.</summary>
    public int Rows { get; }

    /// <summary>int64 [rows, 1], or [rows, 2, 1].</summary>
    public Tensor Positions { get; }

    /// <summary>The residual stream, [rows, 1, hidden].</summary>
    public Tensor Hidden { get; }

    /// <summary>The stream normalised, [rows, 1, hidden].</summary>
    public Tensor Normed { get; }

    /// <summary>What attention or feed-forward adds to the stream, [rows, 1, hidden].</summary>
    public Tensor Output { get; }

    /// <summary>Query, key and value, fused, [rows, 1, width].</summary>
    public Tensor Projection { get; }

    /// <summary>[rows, heads, 1, headDim].</summary>
    public Tensor Query { get; }

    /// <summary>[rows, 1, heads * headDim].</summary>
    public Tensor Attended { get; }

    /// <summary>The first product of the feed-forward layer, [rows, 1, inner].</summary>
    public Tensor Inner { get; }

    /// <summary>What is left of it behind a gate, [rows, 1, gated].</summary>
    public Tensor Gated { get; }

    /// <summary>The scores of the vocabulary, [rows, 1, vocabulary].</summary>
    public Tensor Scores { get; }

    /// <summary>bool [rows, 1, keys], true where a key is hidden; null where none is.</summary>
    public Tensor? HiddenKeys { get; private set; }

    /// <summary>The rotary table, as far as these positions.</summary>
    public RotaryTable Rotary { get; private set; } = null!;

    /// <summary>The tokens before these.</summary>
    public KeyValueCache Cache { get; private set; } = null!;

    /// <summary>Takes the next tokens.</summary>
    /// <param name="tokens">[rows].</param>
    /// <param name="state">Positions and hidden tokens of the rows, these tokens counted.</param>
    /// <param name="cache">The tokens before these.</param>
    /// <param name="transformer">Gives the rotary table.</param>
    public void Begin(ReadOnlySpan<int> tokens, DecodingState state, KeyValueCache cache, Transformer transformer)
    {
        for (var row = 0; row < Rows; row++)
            _ids[row] = tokens[row];
        _backend.Write(_idTensor, 0, MemoryMarshal.AsBytes(_ids.AsSpan()));
        Rotary = transformer.Covering(state.CopyPositions(_positions, cache.Prompt.TokenLength) + 1);
        _backend.Write(Positions, 0, MemoryMarshal.AsBytes(_positions.AsSpan()));
        Cache = cache;
        HideKeys(state, cache.Prompt.Length);
    }

    /// <summary>Word embeddings of the tokens, into <see cref="Hidden"/>.</summary>
    public void Embed(Embedding embedding)
    {
        if (embedding.GetType() == typeof(Embedding))
        {
            Kernels.Embedding(_idTensor, embedding.Weight, Hidden);
            return;
        }

        using var scope = new TensorScope();
        Put(Hidden, embedding.Forward(_backend.Copy(_idTensor)), embedding);
    }

    /// <summary>A product, whatever stands in the layer's place.</summary>
    public void Run(Linear layer, Tensor x, Tensor target)
    {
        if (layer.GetType() == typeof(Linear))
        {
            Kernels.Linear(x, layer.Weight, layer.Bias, target);
            return;
        }

        using var scope = new TensorScope();
        Put(target, layer.Forward(_backend.Copy(x)), layer);
    }

    /// <summary>A normalisation, whatever stands in the layer's place.</summary>
    public void Run(NormModule layer, Tensor x, Tensor target)
    {
        switch (layer)
        {
            case RmsNorm rms:
                Kernels.RmsNorm(x, rms.Weight, rms.Epsilon, target);
                return;
            case LayerNorm norm:
                Kernels.LayerNorm(x, norm.Weight, norm.Bias, norm.Epsilon, target);
                return;
        }

        using var scope = new TensorScope();
        Put(target, layer.Forward(_backend.Copy(x)), layer);
    }

    /// <summary>Attention over the cache: <see cref="Projection"/> to <see cref="Attended"/>.</summary>
    /// <param name="layer">The layer, whose keys and values the cache keeps.</param>
    /// <param name="layout">How the heads lie in the projection.</param>
    /// <param name="hiddenScore">The score of a hidden key.</param>
    public void Attend(int layer, in HeadLayout layout, float hiddenScore)
    {
        var (keys, values) = Cache.Room(layer, [Rows, layout.KeyValueHeads, 1, layout.HeadDim]);
        Kernels.SplitHeads(Projection, Positions, layout, Rotary, Query, keys, values, Cache.Length);
        var options = new AttentionOptions(1 / MathF.Sqrt(layout.HeadDim), Cache.Length + 1) { Hidden = HiddenKeys, HiddenScore = hiddenScore };
        Kernels.Attention(Query, keys, values, options, Attended);
    }

    public void Dispose()
    {
        foreach (var buffer in (Tensor?[])[_idTensor, Positions, Hidden, Normed, Output, Projection, Query, Attended, Inner, Gated, Scores, HiddenKeys, _hiddenRoom])
            buffer?.Dispose();
    }

    private void Put(Tensor target, Tensor result, Module from)
    {
        if (result.Shape != target.Shape)
            throw new TensorException(from.GetType().Name, $"expected a result {target.Shape}, it gave {result.Shape}.");
        _backend.WriteSlice(target, result, 0, 0);
    }

    /// <summary>The mask of rows that were padded. It grows with every token, so a token makes one handle for it.</summary>
    private void HideKeys(DecodingState state, int before)
    {
        HiddenKeys?.Dispose();
        HiddenKeys = null;
        if (!state.HidesTokens)
            return;
        var (keys, elements) = (before + state.Length, checked(Rows * (before + state.Length)));
        using var unscoped = TensorScope.Suspend();
        if (_hidden.Length < elements)
        {
            _hidden = new bool[Math.Max(elements, (int)Math.Min(2L * _hidden.Length, Array.MaxLength))];
            _hiddenRoom?.Dispose();
            _hiddenRoom = Tensor.Empty([_hidden.Length], DType.Bool, _backend);
        }

        state.CopyHidden(_hidden, before);
        _backend.Write(_hiddenRoom!, 0, MemoryMarshal.AsBytes(_hidden.AsSpan(0, elements)));
        var storage = _hiddenRoom!.Storage;
        storage.Retain();
        HiddenKeys = new Tensor(_backend, storage, [Rows, 1, keys], DType.Bool);
    }
}

/// <summary>The widths of what a token goes through.</summary>
/// <param name="Hidden">The residual stream.</param>
/// <param name="Layout">The heads.</param>
/// <param name="Inner">The first product of the feed-forward layer.</param>
/// <param name="Gated">What is left of it behind a gate; <paramref name="Inner"/> without one.</param>
/// <param name="Vocabulary">The scores.</param>
/// <param name="Sections">Position rows of a token.</param>
internal readonly record struct TokenPassSizes(int Hidden, HeadLayout Layout, int Inner, int Gated, int Vocabulary, int Sections);
