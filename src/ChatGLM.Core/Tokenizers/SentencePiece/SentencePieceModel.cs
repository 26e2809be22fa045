using System.Globalization;
using System.Text;

namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// A SentencePiece model file: normalises a text, splits it into pieces (unigram or BPE), and puts pieces together to text again. Immutable,
/// and safe to use from several threads.
/// </summary>
internal sealed class SentencePieceModel
{
    /// <summary>Four times the largest published vocabularies; it bounds the memory that a hostile file can ask for.</summary>
    public const int MaxFileBytes = 16 << 20;

    private readonly TextNormalizer _normalizer;
    private readonly IPieceEncoder _encoder;

    private SentencePieceModel(Vocabulary vocabulary, TrainerSpec trainer, NormalizerSpec normalizer, TextNormalizer? denormalizer)
    {
        Vocabulary = vocabulary;
        Trainer = trainer;
        Normalizer = normalizer;
        Denormalizer = denormalizer;
        _normalizer = new TextNormalizer(normalizer, vocabulary.UserDefined, trainer.WhitespaceAsSuffix);
        _encoder = trainer.ModelType == 2 ? new BpeEncoder(vocabulary) : new UnigramEncoder(vocabulary);
    }

    public Vocabulary Vocabulary { get; }

    public TrainerSpec Trainer { get; }

    public NormalizerSpec Normalizer { get; }

    /// <summary>What is done to a decoded text, or null for nothing.</summary>
    public TextNormalizer? Denormalizer { get; }

    /// <summary>Reads a model file.</summary>
    /// <exception cref="TokenizerException">The bytes are no SentencePiece model, or a damaged one.</exception>
    public static SentencePieceModel Parse(ReadOnlySpan<byte> file)
    {
        if (file.Length > MaxFileBytes)
        {
            throw new TokenizerException(
                $"The SentencePiece model is too large: expected at most {MaxFileBytes} bytes, found {file.Length}. Check that this is the tokenizer's file.");
        }

        var pieces = new Vocabulary.Builder();
        var trainer = new TrainerSpec();
        var normalizer = new NormalizerSpec((PrecompiledCharsMap?)null);
        NormalizerSpec? denormalizer = null;
        var reader = new ProtobufReader(file, 0, "the model");
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    pieces.Add(reader.RequireBytes(), reader.Offset);
                    break;
                case 2:
                    trainer = TrainerSpec.Parse(reader.RequireBytes(), reader.Offset);
                    break;
                case 3:
                    normalizer = NormalizerSpec.Parse(reader.RequireBytes(), reader.Offset, "normalizer_spec");
                    break;
                case 5:
                    denormalizer = NormalizerSpec.Parse(reader.RequireBytes(), reader.Offset, "denormalizer_spec");
                    break;
                default:
                    break;
            }
        }

        // The reference uses a denormaliser only when it has rules.
        var denormalize = denormalizer?.CharsMap is null ? null : new TextNormalizer(denormalizer, null, whitespaceAsSuffix: false);
        return new SentencePieceModel(pieces.Build(trainer.ByteFallback), trainer, normalizer, denormalize);
    }

    /// <summary>Adds the ids of a UTF-8 text to <paramref name="ids"/>.</summary>
    public void EncodeAsIds(ReadOnlySpan<byte> text, ref PooledList<int> ids)
    {
        var normalized = new PooledList<byte>(text.Length + 16);
        var pieces = new PooledList<Piece>((text.Length / 2) + 16);
        try
        {
            _normalizer.Normalize(text, ref normalized);
            _encoder.Encode(normalized.Span, ref pieces);
            var unk = Vocabulary.UnkId;
            var afterUnknown = false;
            foreach (ref readonly var piece in pieces.Span)
            {
                var unknown = piece.Id == unk;
                if (unknown && Trainer.ByteFallback)
                {
                    foreach (var b in normalized.Span.Slice(piece.Start, piece.Length))
                        ids.Add(Vocabulary.BytePiece(b));
                }
                else if (!unknown || !afterUnknown)
                {
                    ids.Add(piece.Id);
                }

                afterUnknown = unknown;
            }
        }
        finally
        {
            pieces.Dispose();
            normalized.Dispose();
        }
    }

    /// <summary>Adds the pieces of a UTF-8 text, as text, to <paramref name="output"/>. Unknown characters in a row are one piece.</summary>
    public void EncodeAsPieces(ReadOnlySpan<byte> text, List<string> output)
    {
        var normalized = new PooledList<byte>(text.Length + 16);
        var pieces = new PooledList<Piece>((text.Length / 2) + 16);
        try
        {
            _normalizer.Normalize(text, ref normalized);
            _encoder.Encode(normalized.Span, ref pieces);
            var unk = Vocabulary.UnkId;
            for (var i = 0; i < pieces.Count; i++)
            {
                var piece = pieces.Span[i];
                if (piece.Id != unk)
                {
                    output.Add(Vocabulary.TextOf(piece.Id));
                }
                else if (Trainer.ByteFallback)
                {
                    foreach (var b in normalized.Span.Slice(piece.Start, piece.Length))
                        output.Add(Vocabulary.TextOf(Vocabulary.BytePiece(b)));
                }
                else
                {
                    var end = piece.Start + piece.Length;
                    for (; i + 1 < pieces.Count && pieces.Span[i + 1].Id == unk; i++)
                        end = pieces.Span[i + 1].Start + pieces.Span[i + 1].Length;
                    output.Add(Encoding.UTF8.GetString(normalized.Span[piece.Start..end]));
                }
            }
        }
        finally
        {
            pieces.Dispose();
            normalized.Dispose();
        }
    }

    /// <summary>The id of a piece; the unknown id when the vocabulary does not hold it.</summary>
    public int PieceToId(string piece) => Vocabulary.Find(piece) is var id and >= 0 ? id : Vocabulary.UnkId;

    /// <summary>The text of a piece.</summary>
    /// <exception cref="TokenizerException">There is no such id.</exception>
    public string IdToPiece(int id)
    {
        CheckId(id);
        return Vocabulary.TextOf(id);
    }

    public void CheckId(int id)
    {
        if ((uint)id >= (uint)Vocabulary.Count)
        {
            throw new TokenizerException(string.Create(
                CultureInfo.InvariantCulture,
                $"Token id {id} is not in the vocabulary: expected 0 to {Vocabulary.Count - 1}. Check that tokenizer and model belong together."));
        }
    }
}
