using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What loading a snapshot found: how the names and shapes in its files fit the model.</summary>
public sealed record LoadReport
{
    /// <summary>The snapshot folder.</summary>
    public required string Folder { get; init; }

    /// <summary>The weight files.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Parameters that the files lack. Loading fails unless this is empty.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>Tensors in the files that the model has no parameter for.</summary>
    public required IReadOnlyList<string> Unexpected { get; init; }

    /// <summary>Tensors whose shape is not the parameter's. Loading fails unless this is empty.</summary>
    public required IReadOnlyList<ShapeMismatch> Misshaped { get; init; }

    /// <summary>Tensors that are known and not needed, such as a rotary table's <c>inv_freq</c>, which is computed.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    /// <summary>Names that share their numbers with another parameter, such as <c>lm_head.weight</c> of ChatGLM-6B.</summary>
    public required IReadOnlyList<string> Tied { get; init; }

    /// <summary>Parameters that the files lack and that were initialised as Python does: a prefix or a classifier head to be trained.</summary>
    public required IReadOnlyList<string> Fresh { get; init; }

    /// <summary>The element type of most of the weights as the model holds them.</summary>
    public required DType Dtype { get; init; }

    /// <summary>The bytes of the weights as the model holds them; views of mapped files included.</summary>
    public required long Bytes { get; init; }

    /// <summary>How long loading took.</summary>
    public required double Seconds { get; init; }
}

/// <summary>A tensor whose shape is not the one its parameter needs.</summary>
/// <param name="Name">The name in the state dict.</param>
/// <param name="Expected">What the configuration asks for.</param>
/// <param name="Found">What the file holds.</param>
public sealed record ShapeMismatch(string Name, string Expected, string Found);
