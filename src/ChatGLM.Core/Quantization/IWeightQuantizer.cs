using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>A way to quantize a model: which of its layers, and into what.</summary>
internal interface IWeightQuantizer
{
    /// <summary>Whether the layer at a path, such as <c>transformer.layers.0.mlp.dense_h_to_4h</c>, is one of those that are quantized.</summary>
    bool Covers(string path);

    /// <summary>Refuses a width that the format cannot hold.</summary>
    void RequireQuantizable(string path, int columns);

    /// <summary>Quantizes the weight of a layer; the dense one is not disposed.</summary>
    LinearWeight Quantize(string path, Tensor weight);

    /// <summary>How many rows are quantized together: pieces of a weight that begin at a multiple of it give the pieces of the whole.</summary>
    int RowsTogether { get; }

    /// <summary>What <see cref="Quantize"/> would give for a weight of this shape and type, without memory behind it.</summary>
    LinearWeight Announce(string path, Tensor weight);
}
