using System.Text.Json;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>
/// Group-wise quantization, the fast one: the linear layers of the transformer in 4 or 8 bits with a scale for every group of 32, 64 or 128 columns. It is what <c>quantization_config</c> in
/// config.json holds, under the names that transformers' GPTQConfig has for the same things. For the quantization of the published snapshots see <see cref="ModelOptions.QuantizationBit"/>.
/// </summary>
public sealed record QuantizationConfig
{
    /// <summary>The <c>quant_method</c> in config.json.</summary>
    public const string QuantMethod = "chatglm_group";

    /// <summary>Bits per weight: 4 or 8.</summary>
    public int Bits { get; init; } = 4;

    /// <summary>How many columns share a scale: 32, 64 or 128. Smaller is more exact and larger by 16 bits a group.</summary>
    public int GroupSize { get; init; } = 32;

    /// <summary>Whether the steps of a group lie around zero. If not (4 bits only), a group has a minimum beside its scale: a little more exact, and larger by 16 bits a group.</summary>
    public bool Sym { get; init; } = true;

    /// <summary>Bits of the output layer, which is read whole for every token too: 8 or 4, or 0 to leave it as it is. Always with steps around zero. One that is tied to the embedding gets numbers of its own.</summary>
    public int HeadBits { get; init; } = 8;

    /// <summary>The format of the transformer's layers.</summary>
    internal GroupQuantization LayerFormat => new(Bits, GroupSize, !Sym);

    /// <summary>The format of the output layer.</summary>
    internal GroupQuantization HeadFormat => new(HeadBits, GroupSize);

    /// <summary>What is wrong with the values: the name in the file, and the problem; null if nothing is.</summary>
    internal (string Field, string Problem)? Problem => this switch
    {
        { Bits: not (4 or 8) } => ("bits", $"should be 4 or 8, found {Bits}."),
        { GroupSize: not (32 or 64 or 128) } => ("group_size", $"should be 32, 64 or 128, found {GroupSize}."),
        { Sym: false, Bits: 8 } => ("sym", "should be true for 8 bits: a minimum buys nothing there."),
        { HeadBits: not (0 or 4 or 8) } => ("head_bits", $"should be 0, 4 or 8, found {HeadBits}."),
        _ => null,
    };

    internal static QuantizationConfig? Read(ConfigReader config)
    {
        if (config.Object("quantization_config") is not { } reader)
            return null;
        if (reader.String("quant_method") is var method && method != QuantMethod)
            throw new ConfigException(config.Source, "quantization_config", $"has the quant_method '{method}', which this library does not read; it reads '{QuantMethod}', and 'quantization_bit' of the published ChatGLM snapshots.");
        var defaults = new QuantizationConfig();
        return new QuantizationConfig
        {
            Bits = reader.Int("bits", defaults.Bits, 0, 64),
            GroupSize = reader.Int("group_size", defaults.GroupSize, 0, 1 << 20),
            Sym = reader.Bool("sym", defaults.Sym),
            HeadBits = reader.Int("head_bits", defaults.HeadBits, 0, 64),
        };
    }

    internal void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("quant_method", QuantMethod);
        writer.WriteNumber("bits", Bits);
        writer.WriteNumber("group_size", GroupSize);
        writer.WriteBoolean("sym", Sym);
        writer.WriteNumber("head_bits", HeadBits);
        writer.WriteEndObject();
    }
}
