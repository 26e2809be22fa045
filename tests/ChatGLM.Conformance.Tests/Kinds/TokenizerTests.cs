using System.Collections.Concurrent;
using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Tokenizers;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Recorded outputs of the reference tokenizers on their real vocabularies; every comparison is exact.</summary>
public sealed class TokenizerTests(ITestOutputHelper output)
{
    /// <summary>Tokenizers are immutable, and a large vocabulary takes a moment to index: each is opened once.</summary>
    private static readonly ConcurrentDictionary<(string Folder, TokenizerOptions Options), ChatGLMTokenizer> Opened = new();

    private int _compared;

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Encodes_and_decodes_every_recorded_string(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        foreach (var row in recorded.ReadJson("strings.json").EnumerateArray())
        {
            var text = row.GetProperty("text").GetString()!;
            var ids = Ints(row.GetProperty("ids"));
            var special = Ints(row.GetProperty("ids_special"));
            Same(tokenizer.Tokenize(text), Strings(row.GetProperty("tokens")), "tokens of", text);
            Same(tokenizer.Encode(text, null, new() { AddSpecialTokens = false }), ids, "ids of", text);
            Same(tokenizer.Encode(text), special, "ids with special tokens of", text);
            Same(tokenizer.ConvertTokensToIds(tokenizer.Tokenize(text)), ids, "ids of the tokens of", text);
            Decodes(tokenizer, ids, null, row.GetProperty("decode_ids"), text);
            Decodes(tokenizer, ids, new() { SkipSpecialTokens = true }, row.GetProperty("decode_ids_skip"), text);
            Decodes(tokenizer, special, null, row.GetProperty("decode_ids_special"), text);
            Decodes(tokenizer, special, new() { SkipSpecialTokens = true }, row.GetProperty("decode_ids_special_skip"), text);
            Decodes(tokenizer, ids, new() { CleanUpTokenizationSpaces = false }, row.GetProperty("decode_ids_noclean"), text);
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Encodes_every_recorded_pair_and_batch(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        var json = recorded.ReadJson("batches.json");
        foreach (var row in json.GetProperty("pairs").EnumerateArray())
        {
            var (a, b) = (row.GetProperty("a").GetString()!, row.GetProperty("b").GetString()!);
            Same(tokenizer.Encode(a, b), Ints(row.GetProperty("ids")), "pair of", a + " | " + b);
            Same(tokenizer.Encode(a, b, new() { AddSpecialTokens = false }), Ints(row.GetProperty("ids_nospecial")), "bare pair of", a + " | " + b);
            Same(tokenizer.EncodeBatch([(a, (string?)b)]).Keys.Order(), Strings(row.GetProperty("keys")).Order(), "keys of", a);
        }

        foreach (var row in json.GetProperty("batches").EnumerateArray())
        {
            var batch = tokenizer.EncodeBatch(Strings(row.GetProperty("texts")), BatchOptions(row.GetProperty("kwargs")));
            Same(batch.InputIds, Ints(row.GetProperty("input_ids")), "input_ids of", row.GetRawText()[..80]);
            Same(batch.AttentionMask!, Ints(row.GetProperty("attention_mask")), "attention_mask of", row.GetRawText()[..80]);
            Same(batch.AttentionMaskShape, Shape(row.GetProperty("attention_mask")), "shape of the mask of", row.GetRawText()[..80]);
            Same(batch.PositionIds!, Ints(row.GetProperty("position_ids")), "position_ids of", row.GetRawText()[..80]);
            Same(batch.PositionIdsShape, Shape(row.GetProperty("position_ids")), "shape of the positions of", row.GetRawText()[..80]);
        }

        // The text behind this record is the greeting that all families record as one word or two.
        var single = tokenizer.EncodeBatch(["你好"]);
        var tensors = json.GetProperty("single_return_tensors");
        Same(single.Keys.Order(), tensors.EnumerateObject().Select(t => t.Name).Order(), "keys of", "a single text");
        foreach (var tensor in tensors.EnumerateObject())
        {
            var (values, shape) = tensor.Name switch
            {
                "input_ids" => (single.InputIds, [single.Batch, single.Sequence]),
                "attention_mask" => (single.AttentionMask!, single.AttentionMaskShape),
                _ => (single.PositionIds!, single.PositionIdsShape),
            };
            Same(values, Ints(tensor.Value.GetProperty("values")), tensor.Name + " of", "a single text");
            Same(shape, Ints(tensor.Value.GetProperty("shape")), tensor.Name + " shape of", "a single text");
        }

        foreach (var row in json.GetProperty("decode_ids").EnumerateArray())
        {
            var ids = Ints(row.GetProperty("ids"));
            Same(tokenizer.ConvertIdsToTokens(ids), Strings(row.GetProperty("tokens")), "tokens of", row.GetRawText());
            Decodes(tokenizer, ids, null, row.GetProperty("text"), row.GetRawText());
            Decodes(tokenizer, ids, new() { SkipSpecialTokens = true }, row.GetProperty("text_skip"), row.GetRawText());
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Truncates_as_recorded(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        var rows = recorded.ReadJson("batches.json").GetProperty("truncation").EnumerateArray().ToList();

        // The recordings leave out the second text of the pair and say its length limit only by their own: 8 above the single text's.
        // Where a row is not cut at all the text shows whole.
        const int pairExtra = 8;
        var whole = rows.First(r => r.GetProperty("pair_ids").GetArrayLength() < r.GetProperty("max_length").GetInt32() + pairExtra);
        var first = tokenizer.Encode(whole.GetProperty("text").GetString()!, null, new() { AddSpecialTokens = false });
        var withPair = Ints(whole.GetProperty("pair_ids"));
        var second = tokenizer.Decode(withPair.AsSpan()[(first.Length + 2)..^1]);
        foreach (var row in rows)
        {
            var text = row.GetProperty("text").GetString()!;
            var length = row.GetProperty("max_length").GetInt32();
            Same(tokenizer.Encode(text, null, new() { Truncation = true, MaxLength = length }), Ints(row.GetProperty("ids")), $"{length} tokens of", text);
            Same(
                tokenizer.Encode(text, second, new() { Truncation = true, MaxLength = length + pairExtra }),
                Ints(row.GetProperty("pair_ids")), $"{length + pairExtra} tokens of the pair of", text);
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Knows_the_special_tokens(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        var json = recorded.ReadJson("special.json");
        foreach (var property in json.EnumerateObject())
        {
            var value = property.Value;
            switch (property.Name)
            {
                case "vocab_size" or "len":
                    Same([tokenizer.VocabSize], [value.GetInt32()], property.Name, "");
                    break;
                case "padding_side":
                    value.GetString().Should().Be("left");
                    break;
                case "all_special_tokens":
                    Same(tokenizer.AllSpecialTokens, Strings(value), property.Name, "");
                    break;
                case "all_special_ids":
                    Same(tokenizer.AllSpecialIds, Ints(value), property.Name, "");
                    break;
                case "unique_no_split_tokens":
                    Same(tokenizer.AllSpecialTokens.Order(StringComparer.Ordinal), Strings(value), property.Name, "");
                    break;
                case "added_tokens_encoder":
                    value.EnumerateObject().Should().BeEmpty();
                    break;
                case "clean_up_tokenization_spaces":
                    Same([tokenizer.CleansUp(DecodeOptions.Default)], [value.GetBoolean()], property.Name, "");
                    break;
                case "model_input_names":
                    var padded = tokenizer.EncodeBatch(["a"], new() { Padding = PaddingStrategy.Longest });
                    Same(padded.Keys, Strings(value), property.Name, "");
                    break;
                case "unk_token":
                    Same([tokenizer.UnkTokenId], [tokenizer.ConvertTokenToId(value.GetString()!)], property.Name, "");
                    break;
                case "bos_token_id" or "eos_token_id" or "pad_token_id" or "mask_token_id" or "gmask_token_id" or "end_token_id":
                    Same([IdNamed(tokenizer, property.Name)], [value.GetInt32()], property.Name, "");
                    break;
                case "probe":
                    foreach (var token in value.EnumerateObject())
                        Same([tokenizer.ConvertTokenToId(token.Name)], [token.Value.GetInt32()], "id of", token.Name);
                    break;
                case "commands":
                    foreach (var token in value.EnumerateObject())
                        Same([tokenizer.GetCommand(token.Name)], [token.Value.GetInt32()], "id of", token.Name);
                    break;
                case "prefix_tokens":
                    Same(tokenizer.BuildInputsWithSpecialTokens([]), Ints(value), property.Name, "");
                    break;
                case "special_ids_to_tokens":
                    foreach (var token in value.EnumerateObject())
                        Same([tokenizer.ConvertIdToToken(int.Parse(token.Name))], [token.Value.GetString()!], "token of", token.Name);
                    break;
                case "special_ids_decode":
                    foreach (var token in value.EnumerateObject())
                        Same([tokenizer.Decode([int.Parse(token.Name)])], [token.Value.GetString()!], "text of", token.Name);
                    break;
                case "encode_special_tokens_true":
                    var reading = AutoTokenizer.FromPretrained(Path.GetDirectoryName(Vocabulary(recorded))!, Options(recorded) with { EncodeSpecialTokens = true });
                    foreach (var row in value.EnumerateArray())
                    {
                        var text = row.GetProperty("text").GetString()!;
                        Same(reading.Tokenize(text), Strings(row.GetProperty("tokens")), "tokens of", text);
                        Same(reading.Encode(text, null, new() { AddSpecialTokens = false }), Ints(row.GetProperty("ids")), "ids of", text);
                    }

                    break;
                default:
                    Assert.Fail($"special.json records '{property.Name}', which nothing here compares.");
                    break;
            }
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Streams_what_it_decodes(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        foreach (var row in recorded.ReadJson("strings.json").EnumerateArray())
        {
            var ids = Ints(row.GetProperty("ids_special"));
            var decoder = tokenizer.CreateStreamingDecoder();
            var text = string.Concat(ids.Select(decoder.Append)) + decoder.Flush();
            Same([text], [row.GetProperty("decode_ids_special").GetString()!], "stream of", row.GetProperty("text").GetString()!);
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Saved_tokenizer_loads_again(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        var folder = Directory.CreateTempSubdirectory("tokenizer");
        try
        {
            tokenizer.SavePretrained(folder.FullName);
            var again = AutoTokenizer.FromPretrained(folder.FullName);
            again.Generation.Should().Be(tokenizer.Generation);
            again.VocabSize.Should().Be(tokenizer.VocabSize);
            foreach (var row in recorded.ReadJson("strings.json").EnumerateArray().Take(50))
                Same(again.Encode(row.GetProperty("text").GetString()!), Ints(row.GetProperty("ids_special")), "ids of", row.GetProperty("text").GetString()!);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Builds_every_recorded_chat_prompt(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        var json = recorded.ReadJson("chat.json");
        foreach (var row in json.GetProperty("prompts").EnumerateArray())
        {
            var query = row.GetProperty("query").GetString()!;
            var history = History(row.GetProperty("history"));
            var role = row.TryGetProperty("role", out var recordedRole) ? Role(recordedRole.GetString()!) : ChatRole.User;
            var ids = tokenizer.BuildChatInput(query, history, role);
            Same(ids, Ints(row.GetProperty("input_ids")), "input_ids of", query);
            var batch = tokenizer.Pad([ids]);
            if (row.TryGetProperty("prompt", out var prompt))
                Same([tokenizer is ChatGLM6BTokenizer glm1 ? glm1.BuildPrompt(query, history) : ((ChatGLM2Tokenizer)tokenizer).BuildPrompt(query, history)], [prompt.GetString()!], "prompt of", query);
            if (row.TryGetProperty("tensor_kwargs", out var names))
                Same(batch.Keys, Strings(names), "inputs of", query);
            if (row.TryGetProperty("position_ids", out var positions))
                Same(batch.PositionIds!, Ints(positions), "position_ids of", query);
            if (row.TryGetProperty("attention_mask", out var mask))
                Same(batch.AttentionMask!, Ints(mask), "attention_mask of", query);
            if (row.TryGetProperty("decoded", out var decoded))
                Same([tokenizer.Decode(ids)], [decoded.GetString()!], "decoding of", query);
            if (row.TryGetProperty("stream_continue_input_ids", out var stream))
            {
                var more = ((ChatGLM2Tokenizer)tokenizer).BuildStreamInput(query, history.Count / 2);
                Same(more, Ints(stream), "continuation of", query);
                Same(tokenizer.Pad([more]).PositionIds!, Ints(row.GetProperty("stream_continue_position_ids")), "positions of the continuation of", query);
            }
        }

        if (json.TryGetProperty("single_messages", out var messages))
        {
            foreach (var row in messages.EnumerateArray())
            {
                var message = row.GetProperty("message").GetString()!;
                var ids = ((ChatGLM3Tokenizer)tokenizer).BuildSingleMessage(Role(row.GetProperty("role").GetString()!), row.GetProperty("metadata").GetString()!, message);
                Same(ids, Ints(row.GetProperty("ids")), "message", message);
            }
        }

        Report(caseName);
    }

    [ConformanceTheory("tokenizer"), CasesOf("tokenizer")]
    public void Takes_every_recorded_answer_apart(string caseName)
    {
        var (recorded, tokenizer) = Open(caseName);
        foreach (var row in recorded.ReadJson("chat.json").GetProperty("process_response").EnumerateArray())
        {
            if (row.TryGetProperty("input", out var input))
            {
                Same([tokenizer.ProcessResponse(input.GetString()!).Content], [row.GetProperty("output").GetString()!], "answer", input.GetString()!);
                continue;
            }

            var output = row.GetProperty("output").GetString()!;
            var history = History(row.GetProperty("history"));
            if (row.TryGetProperty("error", out _))
            {
                var read = () => tokenizer.ProcessResponse(output, history);
                read.Should().Throw<ToolCallException>("the reference fails on {0} too", output);
                _compared++;
                continue;
            }

            var response = tokenizer.ProcessResponse(output, history);
            var expected = row.GetProperty("response");
            if (expected.ValueKind == JsonValueKind.String)
            {
                Same([(response.Content, response.ToolName)], [(expected.GetString()!, null)], "answer", output);
            }
            else
            {
                Same([response.ToolName!], [expected.GetProperty("name").GetString()!], "tool of", output);
                if (expected.TryGetProperty("content", out var content))
                    Same([response.Content], [content.GetString()!], "content of", output);
                else
                    Same([JsonElement.DeepEquals(response.ToolCall!.Arguments, expected.GetProperty("parameters"))], [true], "arguments of", output);
            }

            history.AddRange(response.Messages);
            var all = History(row.GetProperty("new_history"));
            Same(history.Select(m => (m.Role, m.Content, m.Metadata)), all.Select(m => (m.Role, m.Content, m.Metadata)), "history after", output);
        }

        Report(caseName);
    }

    private static ChatRole Role(string name) => Enum.Parse<ChatRole>(name, ignoreCase: true);

    /// <summary>A recorded history: rounds of two strings, or messages.</summary>
    private static ChatHistory History(JsonElement json)
    {
        var history = new ChatHistory();
        foreach (var item in json.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Array)
            {
                history.AddUser(item[0].GetString()!).AddAssistant(item[1].GetString()!);
                continue;
            }

            history.Add(new ChatMessage(Role(item.GetProperty("role").GetString()!), item.GetProperty("content").GetString()!)
            {
                Metadata = item.TryGetProperty("metadata", out var metadata) ? metadata.GetString()! : "",
                Tools = item.TryGetProperty("tools", out var tools) ? tools : null,
            });
        }

        return history;
    }

    private static TokenizerOptions Options(ConformanceCase recorded) => new()
    {
        Generation = recorded.Json.GetProperty("family").GetString() switch
        {
            "glm1" => ChatGLMGeneration.ChatGLM6B,
            "glm2" => ChatGLMGeneration.ChatGLM2,
            "glm3" => ChatGLMGeneration.ChatGLM3,
            var other => throw new NotSupportedException($"{recorded.Name}: family '{other}'."),
        },
    };

    /// <summary>The vocabulary's path: the case says its folder, which is another case's where the files were recorded without it.</summary>
    private static string Vocabulary(ConformanceCase recorded)
    {
        var file = recorded.Json.GetProperty("vocabulary").GetString()!;
        var beside = recorded.PathOf(file);
        if (File.Exists(beside))
            return beside;
        var name = Path.GetFileName(recorded.Folder.TrimEnd('/'));
        string?[] roots = [ConformanceFolder.ExternalRoot, Path.Combine(ConformanceFolder.RepositoryRoot, "..", "shared", "conformance")];
        foreach (var root in roots)
        {
            if (root is null || !Directory.Exists(Path.Combine(root, "tokenizers")))
                continue;
            var found = Directory.EnumerateFiles(Path.Combine(root, "tokenizers"), file, SearchOption.AllDirectories)
                .OrderByDescending(path => path.Contains(name, StringComparison.Ordinal)).FirstOrDefault();
            if (found is not null)
                return found;
        }

        throw new FileNotFoundException($"{recorded.Name}: the vocabulary {file} is neither beside the case nor in ../shared/conformance/tokenizers.");
    }

    private static (ConformanceCase Case, ChatGLMTokenizer Tokenizer) Open(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var folder = Path.GetDirectoryName(Vocabulary(recorded))!;

        // A folder of its own must also say by itself which generation it is.
        var options = folder == recorded.Folder && File.Exists(recorded.PathOf("tokenizer_config.json")) ? new TokenizerOptions() : Options(recorded);
        var tokenizer = Opened.GetOrAdd((folder, options), key => AutoTokenizer.FromPretrained(key.Folder, key.Options));
        tokenizer.Generation.Should().Be(Options(recorded).Generation);
        return (recorded, tokenizer);
    }

    private static BatchEncodeOptions BatchOptions(JsonElement kwargs)
    {
        var options = new BatchEncodeOptions();
        foreach (var argument in kwargs.EnumerateObject())
        {
            options = argument.Name switch
            {
                "padding" => options with
                {
                    Padding = argument.Value.ValueKind == JsonValueKind.True || argument.Value.GetString() == "longest"
                        ? PaddingStrategy.Longest
                        : PaddingStrategy.MaxLength,
                },
                "max_length" => options with { MaxLength = argument.Value.GetInt32() },
                "truncation" => options with { Truncation = argument.Value.GetBoolean() },
                "pad_to_multiple_of" => options with { PadToMultipleOf = argument.Value.GetInt32() },
                _ => throw new NotSupportedException($"A batch was recorded with '{argument.Name}'."),
            };
        }

        return options;
    }

    private static int IdNamed(ChatGLMTokenizer tokenizer, string name) => name switch
    {
        "bos_token_id" => tokenizer.BosTokenId,
        "eos_token_id" => tokenizer.EosTokenId,
        "pad_token_id" => tokenizer.PadTokenId,
        "mask_token_id" => tokenizer.MaskTokenId,
        "gmask_token_id" => tokenizer.GMaskTokenId,
        _ => ((ChatGLM6BTokenizer)tokenizer).EndTokenId!.Value,
    };

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(s => s.GetString()!)];

    /// <summary>All numbers of a nested array, in order; true counts as 1.</summary>
    private static int[] Ints(JsonElement array) => array.ValueKind switch
    {
        JsonValueKind.Array => [.. array.EnumerateArray().SelectMany(Ints)],
        JsonValueKind.True => [1],
        JsonValueKind.False => [0],
        _ => [array.GetInt32()],
    };

    private static List<int> Shape(JsonElement array)
    {
        var shape = new List<int>();
        for (; array.ValueKind == JsonValueKind.Array; array = array[0])
            shape.Add(array.GetArrayLength());
        return shape;
    }

    private void Decodes(ChatGLMTokenizer tokenizer, int[] ids, DecodeOptions? options, JsonElement expected, string text) =>
        Same([tokenizer.Decode(ids, options)], [expected.GetString()!], $"decoding ({options}) of", text);

    private void Same<T>(IEnumerable<T> actual, IEnumerable<T> expected, string what, string text)
    {
        _compared++;
        if (!actual.SequenceEqual(expected))
        {
            Assert.Fail($"{what} {JsonSerializer.Serialize(text)}\nexpected {JsonSerializer.Serialize(expected)}\n   found {JsonSerializer.Serialize(actual)}");
        }
    }

    private void Report(string caseName) => output.WriteLine($"{caseName}: largest error 0 (exact), {_compared} comparisons");
}
