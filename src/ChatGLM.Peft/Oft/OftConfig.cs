using ChatGLM.Peft.Config;

namespace ChatGLM.Peft;

/// <summary>
/// Orthogonal fine-tuning (Qiu et al. 2023; <c>peft.OFTConfig</c> up to 0.13): the layer's result is rotated, in R blocks that are learned, so that the angles between the neurons of a
/// block stay as they were.
/// </summary>
/// <remarks>
/// peft has no default targets for it; here they are <c>query_key_value</c>. The adapter is float32 whatever the base is, where peft rounds it to the base's type. Every pass inverts R matrices
/// of a side of out / R for each layer: merge the adapter before generating. From 0.14 on peft rotates the input instead, on other parameters; such a file is refused.
/// </remarks>
public sealed record OftConfig : LycorisConfig
{
    /// <inheritdoc/>
    public override PeftType PeftType => PeftType.Oft;

    /// <summary>Whether the rotations are kept close to none (constrained OFT).</summary>
    public bool Coft { get; init; }

    /// <summary>How far they may go, if they are kept close: relative to the number of elements of a block.</summary>
    public double Eps { get; init; } = 6e-5;

    /// <summary>Whether all blocks are the same rotation.</summary>
    public bool BlockShare { get; init; }

    internal static OftConfig Read(ConfigFields fields)
    {
        if (fields.TryGet("oft_block_size", out _))
            throw new AdapterConfigException(fields.Source, "oft_block_size", "is a field of peft 0.14 and later, whose OFT is another method under the same name. This version reads that of peft 0.13 and earlier, as peft 0.14 does not.");
        return ReadCommon(
            new OftConfig
            {
                Coft = fields.Bool("coft", false),
                Eps = fields.Double("eps", 6e-5),
                BlockShare = fields.Bool("block_share", false),
            },
            fields);
    }

    internal override void Validate()
    {
        base.Validate();
        if (!(Eps > 0) || !double.IsFinite(Eps))
            throw Wrong("eps", $"should be above 0, found {PythonJson.Float(Eps)}.");
    }

    private protected override IEnumerable<ConfigField> Fields() =>
    [
        .. base.Fields(),
        new("peft_type", PythonJson.String("OFT")),
        new("coft", PythonJson.Bool(Coft)),
        new("eps", PythonJson.Float(Eps)),
        new("block_share", PythonJson.Bool(BlockShare)),
    ];
}
