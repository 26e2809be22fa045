using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>
/// Makes rows of conversations with roles and tools, as ChatGLM3's <c>finetune_chatmodel_demo</c> and <c>finetune_demo</c> do it: one row for a whole conversation, in which what the assistant
/// says counts, and what system, user and tools say does not. Texts stay texts: the name of a role in them does not become a role.
/// </summary>
/// <remarks>
/// A record is <c>{"tools": [...], "conversations": [{"role": "user", "content": "..."}, ...]}</c> with the roles system, user, assistant, observation and tool. A message of the role tool is a call
/// and its result: <c>{"role": "tool", "name": "...", "parameters": {...}, "observation": ...}</c>. A message with <c>"loss": false</c> does not count. One difference: the demos also let the
/// model learn to say observations that are given as messages of their own; here only the assistant's messages count.
/// </remarks>
public sealed class ConversationFeatures
{
    private const int IgnoredLabel = -100;
    private const string ToolsPrefix = "Answer the following questions as best as you can. You have access to the following tools:\n";

    private readonly ChatGLM3Tokenizer _tokenizer;
    private readonly ConversationOptions _options;

    /// <summary>Prepares a maker of rows.</summary>
    /// <param name="tokenizer">The tokenizer of a ChatGLM3 model.</param>
    /// <param name="options">Columns and lengths; the demo's defaults if null.</param>
    /// <exception cref="TrainingArgumentsException">The tokenizer has no roles, or a length leaves no room for a token.</exception>
    public ConversationFeatures(ChatGLMTokenizer tokenizer, ConversationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer as ChatGLM3Tokenizer
            ?? throw new TrainingArgumentsException("model_name_or_path", $"conversations with roles need ChatGLM3, found {tokenizer.Generation}. Use question, answer and history columns.");
        _options = options ?? new();
        AtLeast("max_seq_length", _options.MaxSeqLength, 4);
        AtLeast("max_input_length", _options.MaxInputLength, 3);
        AtLeast("max_output_length", _options.MaxOutputLength, 2);
    }

    /// <summary>Builds training rows: one for each conversation in which the assistant says anything.</summary>
    public IFeatureBuilder Training => new FeatureBuilder(Fingerprint("train"), TrainRows);

    /// <summary>Builds evaluation rows: one for each thing that the assistant says, with what was said before as prompt and the answer as labels.</summary>
    public IFeatureBuilder Prompts => new FeatureBuilder(Fingerprint("evaluation"), PromptRows);

    /// <summary>The training rows of records. A row of which nothing is left to learn (the assistant's words were cut off) is left out: its loss would be 0 / 0.</summary>
    public IEnumerable<TokenizedExample> Train(IEnumerable<TrainingRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        return records.SelectMany(TrainRows);
    }

    /// <summary>The evaluation rows of records. Prompts end with the assistant's role token; labels with the end token, where they were not cut.</summary>
    public IEnumerable<TokenizedExample> Evaluation(IEnumerable<TrainingRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        return records.SelectMany(PromptRows);
    }

    private IEnumerable<TokenizedExample> TrainRows(TrainingRecord record)
    {
        var (ids, counts) = (new List<int>(_tokenizer.PrefixTokens), new List<bool>());
        // A label counts where the token before it belongs to an answer: so the role token that begins an answer does not count, and the token that ends it does.
        counts.AddRange([false, false, false]);
        foreach (var message in Messages(record))
        {
            ids.AddRange(message.Ids);
            counts.AddRange(Enumerable.Repeat(message.Counts, message.Ids.Length));
        }

        ids.Add(_tokenizer.EosTokenId);
        var used = Math.Min(ids.Count, _options.MaxSeqLength);
        var length = _options.PadToMaxLength ? _options.MaxSeqLength : used;
        var (inputs, labels) = (new int[length], new int[length]);
        inputs.AsSpan(used).Fill(_tokenizer.PadTokenId);
        labels.AsSpan().Fill(IgnoredLabel);
        for (var i = 0; i < used; i++)
        {
            inputs[i] = ids[i];
            if (counts[i])
                labels[i] = ids[i];
        }

        return labels.AsSpan().ContainsAnyExcept(IgnoredLabel) ? [new TokenizedExample(inputs, labels)] : [];
    }

    private List<TokenizedExample> PromptRows(TrainingRecord record)
    {
        var rows = new List<TokenizedExample>();
        var ids = new List<int>(_tokenizer.PrefixTokens);
        foreach (var message in Messages(record))
        {
            if (ids.Count >= _options.MaxInputLength)
                break;
            if (message.IsAnswer)
            {
                int[] answer = [.. message.Ids[1..], _tokenizer.EosTokenId];
                rows.Add(new TokenizedExample([.. ids.Take(_options.MaxInputLength), message.Ids[0]], answer[..Math.Min(answer.Length, _options.MaxOutputLength)]));
            }

            ids.AddRange(message.Ids);
        }

        return rows;
    }

    /// <summary>The messages of a record in order, each as ids that begin with its role's token.</summary>
    private IEnumerable<(int[] Ids, bool Counts, bool IsAnswer)> Messages(TrainingRecord record)
    {
        var conversation = record.Json(_options.ConversationsColumn)
            ?? throw new TrainingDataException(record.Origin, $"there is no column '{_options.ConversationsColumn}', but {string.Join(", ", record.Columns.Take(16))}.");
        if (conversation.ValueKind != JsonValueKind.Array)
            throw new TrainingDataException(record.Origin, $"column '{_options.ConversationsColumn}': expected an array of messages, found {TrainingRecord.Kind(conversation)}.");
        if (record.Json(_options.ToolsColumn) is { } tools)
            yield return (Single(ChatRole.System, "", ToolsPrefix + Python(record, _options.ToolsColumn, () => PythonLiterals.Dumps(tools, indent: 4))), false, false);
        var number = 0;
        foreach (var message in conversation.EnumerateArray())
        {
            var where = $"{_options.ConversationsColumn}[{number++}]";
            if (message.ValueKind != JsonValueKind.Object)
                throw new TrainingDataException(record.Origin, $"{where}: expected a message with role and content, found {TrainingRecord.Kind(message)}.");
            var counts = !message.TryGetProperty("loss", out var loss) || loss.ValueKind is not (JsonValueKind.False or JsonValueKind.Null);
            switch (Field(record, message, where, "role"))
            {
                case "system":
                    yield return (Single(ChatRole.System, "", Field(record, message, where, "content")), false, false);
                    break;
                case "user":
                    yield return (Single(ChatRole.User, "", Field(record, message, where, "content")), false, false);
                    break;
                case "observation":
                    yield return (Single(ChatRole.Observation, "", Field(record, message, where, "content")), false, false);
                    break;
                case "assistant":
                    var metadata = message.TryGetProperty("metadata", out _) ? Field(record, message, where, "metadata") : "";
                    yield return (Single(ChatRole.Assistant, metadata, Field(record, message, where, "content")), counts, true);
                    break;
                case "tool":
                    yield return (Single(ChatRole.Assistant, Field(record, message, where, "name"), Call(record, message, where)), counts, true);
                    yield return (Single(ChatRole.Observation, "", Observation(record, message, where)), false, false);
                    break;
                case var role:
                    throw new TrainingDataException(record.Origin, $"{where}.role: expected system, user, assistant, observation or tool, found '{role}'.");
            }
        }
    }

    private int[] Single(ChatRole role, string metadata, string text) => _tokenizer.BuildSingleMessage(role, metadata, text);

    /// <summary>A call as the model writes it: a fence of Python code around <c>tool_call(name=value, ...)</c>.</summary>
    private static string Call(TrainingRecord record, JsonElement message, string where)
    {
        if (!message.TryGetProperty("parameters", out var parameters) || parameters.ValueKind != JsonValueKind.Object)
            throw new TrainingDataException(record.Origin, $"{where}.parameters: expected an object with the arguments of the call.");
        var arguments = Python(record, where, () => string.Join(", ", parameters.EnumerateObject().Select(argument => PythonLiterals.IsIdentifier(argument.Name)
            ? $"{argument.Name}={PythonLiterals.Repr(argument.Value)}"
            : throw new TrainingDataException(record.Origin, $"{where}.parameters: '{argument.Name}' cannot be the name of an argument."))));
        return $"```python\ntool_call({arguments})\n```";
    }

    private static string Observation(TrainingRecord record, JsonElement message, string where) => message.TryGetProperty("observation", out var value)
        ? value.ValueKind == JsonValueKind.String ? record.TextOf(value, where) : Python(record, where, () => PythonLiterals.Dumps(value))
        : "null";

    private static string Field(TrainingRecord record, JsonElement message, string where, string name) => !message.TryGetProperty(name, out var value)
        ? throw new TrainingDataException(record.Origin, $"{where}: there is no '{name}'.")
        : value.ValueKind == JsonValueKind.String
            ? record.TextOf(value, $"{where}.{name}")
            : throw new TrainingDataException(record.Origin, $"{where}.{name}: expected text, found {TrainingRecord.Kind(value)}.");

    private static string Python(TrainingRecord record, string where, Func<string> write)
    {
        try
        {
            return write();
        }
        catch (InvalidOperationException error)
        {
            throw new TrainingDataException(record.Origin, $"{where}: a text is no valid Unicode: {error.Message}");
        }
    }

    private static void AtLeast(string argument, int value, int least)
    {
        if (value < least)
            throw new TrainingArgumentsException(argument, $"expected {least} or more, found {value}.");
    }

    private string Fingerprint(string rows) => $"conversation:1:{rows}:{_tokenizer.Fingerprint}:{_options}";
}
