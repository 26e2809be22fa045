using ChatGLM.Models;

namespace ChatGLM.Quantization;

/// <summary>From a configuration to the quantizer that it asks for.</summary>
internal static class WeightQuantizer
{
    private static readonly string[] LayerNames = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"];

    /// <summary>The quantizer that a configuration asks for; null for none.</summary>
    public static IWeightQuantizer? For(ChatGLMConfig config) => config switch
    {
        { QuantizationConfig: { } groups } => new GroupQuantizer(groups),
        { QuantizationBit: not 0 } => new RowQuantizer(config, config.QuantizationBit),
        _ => null,
    };

    /// <summary>Whether a path is that of one of the four linear layers of a transformer layer.</summary>
    public static bool IsTransformerLinear(string path) =>
        path.Contains(".layers.", StringComparison.Ordinal) && LayerNames.Contains(path[(path.LastIndexOf('.') + 1)..]);
}
