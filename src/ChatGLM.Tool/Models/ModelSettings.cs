using ChatGLM.Hub;
using ChatGLM.Samples;
using ChatGLM.Tensors;

namespace ChatGLM.Tool.Models;

/// <summary>Which model, from where, and how to hold it. Null leaves a choice to the snapshot.</summary>
internal sealed record ModelSettings
{
    /// <summary>What the small model inside the command is called.</summary>
    public const string DemoName = "demo";

    /// <summary>A folder, a repo, or <see cref="DemoName"/>; null for the base of the adapter, else the small model.</summary>
    public string? Model { get; init; }

    public IReadOnlyList<string> Adapters { get; init; } = [];

    /// <summary>Bits of the group-wise quantization.</summary>
    public int? Quantize { get; init; }

    /// <summary>Bits of the published quantization.</summary>
    public int? QuantizationBit { get; init; }

    public DType? Dtype { get; init; }

    /// <summary>Threads that compute; 0 for one per core.</summary>
    public int Threads { get; init; }

    public HubSettings Hub { get; init; } = new(null, new HubOptions());

    /// <summary>What a name stands for: the folder of the small model, or the name itself.</summary>
    public static string Place(string name) => name == DemoName ? DemoSnapshot.Folder : name;
}
