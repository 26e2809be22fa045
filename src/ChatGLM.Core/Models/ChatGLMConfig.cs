using System.Globalization;
using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// The <c>config.json</c> of a snapshot: what both architectures share. Names are those of the Python configuration in C# casing; fields that this library
/// does not know are kept and written back. Change a value with a <c>with</c> expression.
/// </summary>
public abstract record ChatGLMConfig
{
    private protected const int MaxLayers = 4096;
    private protected const int MaxWidth = 1 << 20;
    private protected const int MaxHeads = 1 << 14;
    private protected const int MaxVocabulary = 1 << 24;
    private protected const int MaxLength = 1 << 24;

    private protected ChatGLMConfig()
    {
    }

    private protected ChatGLMConfig(ConfigReader reader)
    {
        // A name that stands twice means its last value, as in Python.
        Original = reader.Fields.GroupBy(f => f.Name).Select(f => KeyValuePair.Create(f.Key, f.Last().Value)).ToArray();
        Origin = reader.Source;
        NameOrPath = reader.String("_name_or_path") ?? "";
        ModelType = reader.String("model_type") ?? "chatglm";
        Architectures = reader.Strings("architectures");
        TransformersVersion = reader.String("transformers_version");
        TorchDtype = ReadDType(reader);
        NumLayers = reader.Int("num_layers", 28, 1, MaxLayers);
        HiddenSize = reader.Int("hidden_size", 4096, 1, MaxWidth);
        NumAttentionHeads = reader.Int("num_attention_heads", 32, 1, MaxHeads);
        LayernormEpsilon = reader.Double("layernorm_epsilon", 1e-5, 0, 1);
        UseCache = reader.Bool("use_cache", true);
        QuantizationBit = reader.Int("quantization_bit", 0, 0, 64);
        QuantizationConfig = QuantizationConfig.Read(reader);
        PreSeqLen = reader.OptionalInt("pre_seq_len", 0, 1 << 16) is > 0 and var length ? length : null;
        PrefixProjection = reader.Bool("prefix_projection", false);
        // Where both are given, the names count, as in transformers.
        NumLabels = reader.CountOf("id2label") is > 0 and var labels ? labels : reader.Int("num_labels", 2, 1, MaxWidth);
        StoredLabels = NumLabels;
        ProblemType = reader.String("problem_type");
        EosTokenIds = reader.Ids("eos_token_id");
    }

    /// <summary>Where the model was first loaded from, such as <c>THUDM/chatglm2-6b</c>.</summary>
    public string NameOrPath { get; init; } = "";

    /// <summary>Always <c>chatglm</c>.</summary>
    public string ModelType { get; init; } = "chatglm";

    /// <summary>The Python classes that the weights belong to.</summary>
    public IReadOnlyList<string> Architectures { get; init; } = ["ChatGLMForConditionalGeneration"];

    /// <summary>The version of transformers that wrote the file.</summary>
    public string? TransformersVersion { get; init; }

    /// <summary>The element type that the file says its weights have.</summary>
    public DType? TorchDtype { get; init; }

    /// <summary>Transformer layers.</summary>
    public int NumLayers { get; init; } = 28;

    /// <summary>The width of the hidden states.</summary>
    public int HiddenSize { get; init; } = 4096;

    /// <summary>Query heads.</summary>
    public int NumAttentionHeads { get; init; } = 32;

    /// <summary>The epsilon of the normalisations.</summary>
    public double LayernormEpsilon { get; init; } = 1e-5;

    /// <summary>Whether a forward pass returns keys and values unless told otherwise. Generation always keeps them.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Bits per weight of the transformer's linear layers: 4 or 8, or 0 where they are not quantized.</summary>
    public int QuantizationBit { get; init; }

    /// <summary>Group-wise quantization of the weights; null where they have none.</summary>
    public QuantizationConfig? QuantizationConfig { get; init; }

    /// <summary>The length of the P-Tuning v2 prefix; null for none.</summary>
    public int? PreSeqLen { get; init; }

    /// <summary>Whether the prefix goes through a two-layer projection.</summary>
    public bool PrefixProjection { get; init; }

    /// <summary>Whether the output layer is the word embedding (<c>tie_word_embeddings</c>).</summary>
    public abstract bool TieWordEmbeddings { get; init; }

    /// <summary>The classes of a sequence classifier.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary><c>regression</c>, <c>single_label_classification</c>, <c>multi_label_classification</c>, or null to decide by the labels.</summary>
    public string? ProblemType { get; init; }

    /// <summary>The ids that end an answer, as the file has them; empty when it names none.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The number of token ids.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The most tokens that prompt and answer may have together.</summary>
    public abstract int MaxPositions { get; }

    /// <summary>The elements of one attention head.</summary>
    public abstract int HeadDim { get; }

    /// <summary>Key and value heads.</summary>
    public abstract int KeyValueHeads { get; }

    /// <summary>The file, for messages.</summary>
    internal string Origin { get; init; } = "config.json";

    /// <summary>How many classes the file says there are.</summary>
    private int StoredLabels { get; } = 2;

    /// <summary>The fields as they were read, in order: what is not known here is written back.</summary>
    internal IReadOnlyList<KeyValuePair<string, JsonElement>> Original { get; init; } = [];

    /// <summary>Reads a value that this library does not use, such as a field of a derived model.</summary>
    /// <param name="field">The name in the file.</param>
    /// <param name="value">The value, if the file has one.</param>
    public bool TryGetField(string field, out JsonElement value)
    {
        foreach (var (name, found) in Original)
        {
            if (name == field)
            {
                value = found;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Writes <c>config.json</c> into a folder: beside first, then renamed into place.</summary>
    /// <param name="folder">An existing folder.</param>
    public void SavePretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        AtomicFile.Write(Path.Combine(folder, "config.json"), WriteTo);
    }

    /// <summary>The generation options of a snapshot without generation_config.json.</summary>
    internal virtual GenerationConfig ToGenerationConfig()
    {
        var json = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in Original)
            {
                writer.WritePropertyName(name);
                value.WriteTo(writer);
            }

            writer.WriteEndObject();
        }

        using var document = JsonDocument.Parse(json.WrittenMemory);
        var options = GenerationConfig.FromModelConfig(document.RootElement, Origin);
        return options.EosTokenId is null && EosTokenIds.Count > 0 ? options with { EosTokenId = EosTokenIds } : options;
    }

    /// <summary>Refuses values that no model can be built from; the message names the field.</summary>
    internal virtual void Validate()
    {
        Require(NumLayers is >= 1 and <= MaxLayers, "num_layers", $"should be from 1 to {MaxLayers}, found {NumLayers}.");
        Require(HiddenSize is >= 1 and <= MaxWidth, "hidden_size", $"should be from 1 to {MaxWidth}, found {HiddenSize}.");
        Require(NumAttentionHeads is >= 1 and <= MaxHeads, "num_attention_heads", $"should be from 1 to {MaxHeads}, found {NumAttentionHeads}.");
        Require(LayernormEpsilon is >= 0 and <= 1, "layernorm_epsilon", $"should be from 0 to 1, found {LayernormEpsilon.ToString(CultureInfo.InvariantCulture)}.");
        Require(QuantizationBit is 0 or 4 or 8, "quantization_bit", $"should be 4 or 8, or 0 for none, found {QuantizationBit}.");
        if (QuantizationConfig?.Problem is { } problem)
            throw new ConfigException(Origin, $"quantization_config.{problem.Field}", problem.Problem);
        Require(QuantizationBit == 0 || QuantizationConfig is null, "quantization_config", "and 'quantization_bit' exclude each other: weights are quantized in one way.");
        Require(PreSeqLen is null or (>= 1 and <= 1 << 16), "pre_seq_len", $"should be from 1 to {1 << 16}, found {PreSeqLen}.");
        Require(NumLabels is >= 1 and <= MaxWidth, "num_labels", $"should be from 1 to {MaxWidth}, found {NumLabels}.");
        if (PreSeqLen is not null)
            Require(2L * NumLayers * KeyValueHeads * HeadDim <= int.MaxValue, "num_layers", "times the key-value width is more than a prefix encoder can hold.");
        if (ProblemType is not (null or "regression" or "single_label_classification" or "multi_label_classification"))
            throw new ConfigException(Origin, "problem_type", $"should be regression, single_label_classification or multi_label_classification, found '{ProblemType}'.");
    }

    private protected void Require(bool holds, string field, string problem)
    {
        if (!holds)
            throw new ConfigException(Origin, field, problem);
    }

    /// <summary>The fields of this class: the name in the file, the value, and the Python class's default, which need not be written.</summary>
    private protected virtual IEnumerable<(string Name, object? Value, object? Default)> KnownFields() =>
    [
        ("_name_or_path", NameOrPath, ""),
        ("model_type", ModelType, null),
        ("architectures", Architectures, null),
        ("transformers_version", TransformersVersion, null),
        ("torch_dtype", TorchDtype?.TorchName(), null),
        ("num_layers", NumLayers, null),
        ("hidden_size", HiddenSize, null),
        ("num_attention_heads", NumAttentionHeads, null),
        ("layernorm_epsilon", LayernormEpsilon, null),
        ("use_cache", UseCache, true),
        ("quantization_bit", QuantizationBit, 0),
        ("quantization_config", QuantizationConfig, null),
        ("pre_seq_len", PreSeqLen, null),
        ("prefix_projection", PrefixProjection, false),
        ("problem_type", ProblemType, null),
    ];

    private static DType? ReadDType(ConfigReader reader) => (reader.String("torch_dtype") ?? reader.String("dtype"))?.Replace("torch.", "", StringComparison.Ordinal) switch
    {
        null or "auto" => null,
        "float32" or "float" => DType.Float32,
        "float16" or "half" => DType.Float16,
        "bfloat16" => DType.BFloat16,
        "float64" or "double" => DType.Float64,
        var other => throw new ConfigException(reader.Source, "torch_dtype", $"should be float32, float16 or bfloat16, found '{other}'."),
    };

    private void WriteTo(Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        var known = KnownFields().ToDictionary(f => f.Name);
        writer.WriteStartObject();
        var namesLabels = NumLabels != StoredLabels;
        foreach (var (name, value) in Original)
        {
            if (namesLabels && (name is "num_labels" or "id2label" or "label2id"))
                continue;
            writer.WritePropertyName(name);
            // A list of end ids is kept as it was; every other known field has one value.
            if (known.Remove(name, out var field))
                WriteValue(writer, field.Value);
            else
                value.WriteTo(writer);
        }

        foreach (var (name, value, fallback) in known.Values)
        {
            if (value is null || Equals(value, fallback))
                continue;
            writer.WritePropertyName(name);
            WriteValue(writer, value);
        }

        if (namesLabels)
            WriteLabels(writer);
        if (EosTokenIds.Count > 0 && !TryGetField("eos_token_id", out _))
            writer.WriteNumber("eos_token_id", EosTokenIds[0]);
        writer.WriteEndObject();
    }

    /// <summary>The classes as transformers keeps them: it knows their number only by their names.</summary>
    private void WriteLabels(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("id2label");
        for (var label = 0; label < NumLabels; label++)
            writer.WriteString(label.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"LABEL_{label}"));
        writer.WriteEndObject();
        writer.WriteStartObject("label2id");
        for (var label = 0; label < NumLabels; label++)
            writer.WriteNumber(string.Create(CultureInfo.InvariantCulture, $"LABEL_{label}"), label);
        writer.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case int number:
                writer.WriteNumberValue(number);
                break;
            case double number:
                writer.WriteNumberValue(number);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case QuantizationConfig quantization:
                quantization.WriteTo(writer);
                break;
            case IReadOnlyList<string> list:
                writer.WriteStartArray();
                foreach (var item in list)
                    writer.WriteStringValue(item);
                writer.WriteEndArray();
                break;
            default:
                throw new InvalidOperationException($"A config field of type {value.GetType()} cannot be written.");
        }
    }
}
