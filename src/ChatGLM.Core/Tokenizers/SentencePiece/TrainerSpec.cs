using System.Text;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>What encoding and decoding need of the trainer's part of a model file.</summary>
/// <param name="ModelType">1 unigram, 2 BPE, 3 word, 4 char.</param>
/// <param name="ByteFallback">Characters outside the vocabulary are encoded byte by byte.</param>
/// <param name="WhitespaceAsSuffix">A word carries its space at the end, not at the start.</param>
/// <param name="UnkSurface">What the unknown piece decodes to.</param>
internal sealed record TrainerSpec(
    int ModelType = 1, bool ByteFallback = false, bool WhitespaceAsSuffix = false, string UnkSurface = " \u2047 ")
{
    /// <summary>Reads a TrainerSpec message.</summary>
    public static TrainerSpec Parse(ReadOnlySpan<byte> bytes, int origin)
    {
        var reader = new ProtobufReader(bytes, origin, "trainer_spec");
        var spec = new TrainerSpec();
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3:
                    if (reader.Number is < 1 or > 2)
                        throw reader.Error(reader.Offset, "model_type 1 (unigram) or 2 (BPE)", $"model_type {reader.Number}");
                    spec = spec with { ModelType = (int)reader.Number };
                    break;
                case 24:
                    spec = spec with { WhitespaceAsSuffix = reader.AsBool };
                    break;
                case 35:
                    spec = spec with { ByteFallback = reader.AsBool };
                    break;
                case 44:
                    if (reader.RequireBytes().Length > 256)
                        throw reader.Error(reader.Offset, "an unk_surface of at most 256 bytes", $"{reader.Bytes.Length} bytes");
                    spec = spec with { UnkSurface = Encoding.UTF8.GetString(reader.RequireBytes()) };
                    break;
                default:
                    break;
            }
        }

        return spec;
    }
}
