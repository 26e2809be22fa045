using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Info;

/// <summary>Describes a snapshot: its configuration, weights, tokenizer, the memory that it needs, and adapters in its folder.</summary>
internal static class SnapshotInfo
{
    private const int CacheTokens = 2048;

    /// <param name="name">What the user calls it.</param>
    /// <param name="folder">Its folder, or its GGUF file; of a repo, the weights may not be there.</param>
    public static InfoReport Describe(string name, string folder)
    {
        var config = AutoConfig.FromPretrained(folder);
        var count = ParameterCount.Of(config);
        var (tokenizer, tokenizerProblem) = OpenTokenizer(folder);
        var json = new JsonObject { ["kind"] = "model", ["name"] = name, ["folder"] = folder };
        var sections = new List<InfoSection> { Model(name, folder, config, tokenizer, count, json) };
        long? stored = null;
        if (HasWeights(folder))
        {
            using var checkpoint = Checkpoint.Open(folder);
            stored = checkpoint.Entries.Values.Sum(entry => entry.LengthInBytes);
            var (section, weights) = WeightFiles.Describe(checkpoint);
            sections.Add(section);
            json["weights"] = weights;
        }

        sections.Add(Tokenizer(tokenizer, tokenizerProblem, json));
        sections.Add(Memory(config, count, stored, json));
        var adapters = Directory.Exists(folder) ? AdapterInfo.Find(folder).ToList() : [];
        if (adapters.Count > 0)
        {
            sections.Add(new InfoSection("adapters", [.. adapters.Select(adapter => (adapter.Name, adapter.Summary))]));
            json["adapters"] = JsonLine.Array(adapters, adapter => new JsonObject { ["folder"] = adapter.Name, ["summary"] = adapter.Summary });
        }

        return new InfoReport(sections, json);
    }

    /// <summary>A file that is a snapshot by itself (GGUF) has them.</summary>
    private static bool HasWeights(string folder) => File.Exists(folder) || new[] { "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json" }.Any(file => File.Exists(Path.Combine(folder, file)));

    private static InfoSection Model(string name, string folder, ChatGLMConfig config, ChatGLMTokenizer? tokenizer, ParameterCount count, JsonObject json)
    {
        var generation = tokenizer?.Generation ?? (config is ChatGLM6BConfig ? ChatGLMGeneration.ChatGLM6B : ChatGLMGeneration.ChatGLM2);
        var ffn = config switch { ChatGLM6BConfig first => first.InnerHiddenSize, ChatGLM2Config second => second.FfnHiddenSize, _ => 0 };
        var (quantization, kind) = config switch
        {
            { QuantizationConfig: { } groups } => (groups.Bits, $"int{groups.Bits} in groups of {groups.GroupSize}{(groups.Sym ? "" : " with minimum")}"),
            { QuantizationBit: not 0 and var bits } => (bits, $"int{bits}, published form"),
            _ => (0, "none"),
        };
        json["generation"] = generation.ToString();
        json["architecture"] = config.Architectures.FirstOrDefault();
        json["parameters"] = count.Total;
        json["dtype"] = config.TorchDtype?.ToString().ToLowerInvariant();
        json["quantization"] = quantization == 0 ? null : new JsonObject { ["bits"] = quantization, ["form"] = config.QuantizationConfig is null ? "published" : "group", ["group_size"] = config.QuantizationConfig?.GroupSize };
        json["config"] = new JsonObject
        {
            ["num_layers"] = config.NumLayers,
            ["hidden_size"] = config.HiddenSize,
            ["ffn_hidden_size"] = ffn,
            ["num_attention_heads"] = config.NumAttentionHeads,
            ["key_value_heads"] = config.KeyValueHeads,
            ["head_dim"] = config.HeadDim,
            ["vocab_size"] = config.VocabularySize,
            ["max_positions"] = config.MaxPositions,
            ["pre_seq_len"] = config.PreSeqLen,
        };
        var rows = new List<(string, string)>
        {
            ("name", name),
            ("folder", folder),
            ("model", $"{generation}, {config.Architectures.FirstOrDefault() ?? "no architecture named"}"),
            ("parameters", $"{Quantity.Count(count.Total)} ({count.Total.ToString("N0", CultureInfo.InvariantCulture)})"),
            ("dtype", config.TorchDtype?.ToString().ToLowerInvariant() ?? "not said"),
            ("quantization", kind),
            ("layers", Text($"{config.NumLayers} of hidden size {config.HiddenSize}, feed-forward {ffn}")),
            ("attention", Text($"{config.NumAttentionHeads} heads of {config.HeadDim}, {config.KeyValueHeads} for keys and values")),
            ("positions", Text($"{config.MaxPositions:N0}")),
        };
        if (config.PreSeqLen is { } prefix)
            rows.Add(("prefix", Text($"P-Tuning v2, {prefix} positions{(config.PrefixProjection ? ", with projection" : "")}")));
        return new InfoSection("model", rows);
    }

    private static (ChatGLMTokenizer? Tokenizer, string? Problem) OpenTokenizer(string folder)
    {
        try
        {
            return (AutoTokenizer.FromPretrained(folder), null);
        }
        catch (TokenizerException error)
        {
            return (null, error.Message); // a folder of weights alone can be described too
        }
    }

    private static InfoSection Tokenizer(ChatGLMTokenizer? tokenizer, string? problem, JsonObject json)
    {
        json["tokenizer"] = tokenizer is null
            ? new JsonObject { ["problem"] = problem }
            : new JsonObject { ["class"] = tokenizer.GetType().Name, ["vocab_size"] = tokenizer.VocabSize, ["special_tokens"] = JsonLine.Array(tokenizer.AllSpecialTokens, token => JsonValue.Create(token)) };
        if (tokenizer is null)
            return new InfoSection("tokenizer", [("problem", problem!)]);
        var rows = new List<(string, string)> { ("class", tokenizer.GetType().Name), ("vocabulary", Text($"{tokenizer.VocabSize:N0} pieces")) };
        if (tokenizer.AllSpecialTokens.Count > 0)
            rows.Add(("special", string.Join(' ', tokenizer.AllSpecialTokens)));
        return new InfoSection("tokenizer", rows);
    }

    /// <summary>What a chat needs: the weights, which stay in their file, and a cache of float32 keys and values.</summary>
    private static InfoSection Memory(ChatGLMConfig config, ParameterCount count, long? stored, JsonObject json)
    {
        var perToken = 2L * config.NumLayers * config.KeyValueHeads * config.HeadDim * sizeof(float);
        var tokens = Math.Min(CacheTokens, config.MaxPositions);
        var cache = perToken * tokens;
        var isQuantized = config.QuantizationBit != 0 || config.QuantizationConfig is not null;
        var forms = new List<(string Name, long Bytes)>();
        if (stored is { } bytes)
            forms.Add(("as stored", bytes));
        if (!isQuantized)
        {
            if (stored is null)
                forms.Add(("float16", count.DenseBytes(2)));
            forms.Add(("int8 (--quantize 8)", count.GroupBytes(8)));
            forms.Add(("int4 (--quantize 4)", count.GroupBytes(4)));
        }

        json["memory"] = new JsonObject
        {
            ["cache_bytes_per_token"] = perToken,
            ["weights"] = JsonLine.Array(forms, form => new JsonObject { ["form"] = form.Name.Split(' ')[0] == "as" ? "stored" : form.Name.Split(' ')[0], ["bytes"] = form.Bytes }),
        };
        var width = forms.Max(form => Quantity.Bytes(form.Bytes).Length);
        return new InfoSection("memory to chat",
        [
            .. forms.Select(form => (form.Name, $"{Quantity.Bytes(form.Bytes).PadLeft(width)} of weights, {Quantity.Bytes(form.Bytes + cache)} with a cache of {Text($"{tokens:N0}")} tokens")),
            ("cache", $"{Quantity.Bytes(perToken)} a token"),
        ]);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
