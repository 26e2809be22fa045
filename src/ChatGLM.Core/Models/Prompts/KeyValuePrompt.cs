using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// Keys and values that stand before those of the first token in every layer (prefix tuning, Li and Liang 2021; P-Tuning v2, Liu et al. 2021). They take no position and are not scored;
/// every token sees them. A cache takes them once, with its first tokens.
/// </summary>
public abstract class KeyValuePrompt : SoftPrompt
{
    /// <param name="length">The virtual tokens.</param>
    protected KeyValuePrompt(int length)
        : base(length)
    {
    }

    /// <summary>
    /// Keys and values of all layers, float32 [batch, length, layers * 2 * keyValueHeads * headDim]; or [1, ...], which all rows share. In a row the key of layer 0 comes first, then its
    /// value, then the key of layer 1; heads follow each other inside. Recorded for a backward pass.
    /// </summary>
    /// <param name="batch">The rows of the pass.</param>
    public abstract Tensor Forward(int batch);

    /// <summary>The key and value of every layer, [batch, keyValueHeads, length, headDim].</summary>
    internal (Tensor Key, Tensor Value)[] PerLayer(int batch, ChatGLMConfig config)
    {
        var (layers, heads, dim) = (config.NumLayers, config.KeyValueHeads, config.HeadDim);
        var rows = PromptRows.Spread(this, Forward(batch), batch, 2 * layers * heads * dim);
        // Entry 2l of the third axis is the key of layer l, entry 2l + 1 its value.
        var byEntry = Functional.Permute(rows.Reshape(batch, Length, 2 * layers, heads, dim), [2, 0, 3, 1, 4]);
        var pairs = new (Tensor Key, Tensor Value)[layers];
        for (var layer = 0; layer < layers; layer++)
            pairs[layer] = (Entry(byEntry, 2 * layer), Entry(byEntry, (2 * layer) + 1));
        return pairs;
    }

    private static Tensor Entry(Tensor byEntry, int index)
    {
        var shape = byEntry.Shape;
        return Functional.Slice(byEntry, 0, index, 1).Reshape(shape[1], shape[2], shape[3], shape[4]);
    }
}
