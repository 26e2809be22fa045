namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>The normaliser's part of a model file.</summary>
/// <param name="CharsMap">The replacement rules, or null for none.</param>
/// <param name="AddDummyPrefix">Put a space before the first word.</param>
/// <param name="RemoveExtraWhitespaces">Drop spaces at both ends and all but one between words.</param>
/// <param name="EscapeWhitespaces">Write the space as U+2581.</param>
internal sealed record NormalizerSpec(
    PrecompiledCharsMap? CharsMap, bool AddDummyPrefix = true, bool RemoveExtraWhitespaces = true, bool EscapeWhitespaces = true)
{
    /// <summary>Reads a NormalizerSpec message.</summary>
    public static NormalizerSpec Parse(ReadOnlySpan<byte> bytes, int origin, string message)
    {
        var reader = new ProtobufReader(bytes, origin, message);
        var spec = new NormalizerSpec((PrecompiledCharsMap?)null);
        while (reader.Next())
        {
            spec = reader.Field switch
            {
                2 => spec with { CharsMap = PrecompiledCharsMap.Parse(reader.RequireBytes(), reader.Offset) },
                3 => spec with { AddDummyPrefix = reader.AsBool },
                4 => spec with { RemoveExtraWhitespaces = reader.AsBool },
                5 => spec with { EscapeWhitespaces = reader.AsBool },
                _ => spec,
            };
        }

        return spec;
    }
}
