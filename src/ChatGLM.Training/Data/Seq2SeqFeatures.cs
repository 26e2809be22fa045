using System.Globalization;
using System.Text;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>
/// Makes rows of questions and answers, cut and labelled as THUDM's <c>ptuning/main.py</c> of ChatGLM-6B and ChatGLM2-6B does it, and for ChatGLM3 as the input-output format of its
/// fine-tuning demo.
/// </summary>
public sealed class Seq2SeqFeatures
{
    private const int IgnoredLabel = -100;

    private readonly ChatGLMTokenizer _tokenizer;
    private readonly Seq2SeqOptions _options;

    /// <summary>Prepares a maker of rows.</summary>
    /// <param name="tokenizer">The tokenizer of the model.</param>
    /// <param name="options">Columns and lengths; the script's defaults if null.</param>
    /// <exception cref="TrainingArgumentsException">A length leaves no room for a token.</exception>
    public Seq2SeqFeatures(ChatGLMTokenizer tokenizer, Seq2SeqOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _options) = (tokenizer, options ?? new());
        if (_options.MaxSourceLength < 3)
            throw new TrainingArgumentsException("max_source_length", $"expected 3 or more, found {_options.MaxSourceLength}.");
        if (_options.MaxTargetLength < 3)
            throw new TrainingArgumentsException("max_target_length", $"expected 3 or more, found {_options.MaxTargetLength}.");
    }

    /// <summary>The tokens of a padded training row.</summary>
    public int RowLength => _options.MaxSourceLength + _options.MaxTargetLength + (_tokenizer.Generation == ChatGLMGeneration.ChatGLM6B ? 0 : 1);

    /// <summary>Builds training rows: question, answer and labels.</summary>
    public IFeatureBuilder Training => new FeatureBuilder(Fingerprint("train"), TrainRows);

    /// <summary>Builds evaluation rows: the question alone, with the answer's tokens as labels.</summary>
    public IFeatureBuilder Prompts => new FeatureBuilder(Fingerprint("evaluation"), PromptRows);

    /// <summary>The training rows of records; those without a question or an answer are left out, as the script does.</summary>
    public IEnumerable<TokenizedExample> Train(IEnumerable<TrainingRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        return records.SelectMany(TrainRows);
    }

    /// <summary>The evaluation rows of records: the prompt alone, with the answer's tokens as labels. They are padded on the left by a <see cref="DataCollatorForSeq2Seq"/>.</summary>
    public IEnumerable<TokenizedExample> Evaluation(IEnumerable<TrainingRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        return records.SelectMany(PromptRows);
    }

    private IEnumerable<TokenizedExample> TrainRows(TrainingRecord record)
    {
        var (query, answer) = (record.Text(_options.PromptColumn), record.Text(_options.ResponseColumn));
        return query.Length > 0 && answer.Length > 0 ? [TrainRow(Prompt(record, query, isTraining: true), answer)] : [];
    }

    private IEnumerable<TokenizedExample> PromptRows(TrainingRecord record)
    {
        var query = record.Text(_options.PromptColumn);
        if (query.Length == 0)
            return [];
        // The script's own words for an answer that is not there.
        var answer = record.Text(_options.ResponseColumn) is { Length: > 0 } text ? text : "filled in !";
        // ChatGLM3 decodes special tokens to their names, which are no part of the answer.
        var labels = _tokenizer.Encode(answer, null, Cut(_options.MaxTargetLength, special: _tokenizer.Generation != ChatGLMGeneration.ChatGLM3));
        IgnorePadding(labels);
        return [new TokenizedExample(_tokenizer.Encode(Prompt(record, query, isTraining: false), null, Cut(_options.MaxSourceLength, special: true)), labels)];
    }

    private TokenizedExample TrainRow(string prompt, string answer)
    {
        int[] ids;
        int context;
        if (_tokenizer.Generation == ChatGLMGeneration.ChatGLM6B)
        {
            var source = _tokenizer.Encode(prompt, null, new EncodeOptions { AddSpecialTokens = false });
            var target = _tokenizer.Encode(answer, null, new EncodeOptions { AddSpecialTokens = false });
            ids = _tokenizer.BuildInputsWithSpecialTokens(
                source.AsSpan(0, Math.Min(source.Length, _options.MaxSourceLength - 1)), target.AsSpan(0, Math.Min(target.Length, _options.MaxTargetLength - 2)), hasPair: true);
            // What comes before <sop> is the question; <sop> itself is the first thing to learn.
            context = Array.IndexOf(ids, _tokenizer.BosTokenId);
        }
        else
        {
            var source = _tokenizer.Encode(prompt, null, Cut(_options.MaxSourceLength, special: true));
            ids = [.. source, .. _tokenizer.Encode(answer, null, Cut(_options.MaxTargetLength, special: false)), _tokenizer.EosTokenId];
            context = source.Length;
        }

        var length = _options.PadToMaxLength ? Math.Max(RowLength, ids.Length) : ids.Length;
        var (inputs, labels) = (new int[length], new int[length]);
        Array.Fill(inputs, _tokenizer.PadTokenId);
        Array.Fill(labels, _tokenizer.PadTokenId);
        ids.CopyTo(inputs, 0);
        Array.Copy(ids, context, labels, context, ids.Length - context);
        labels.AsSpan(0, context).Fill(_tokenizer.Generation == ChatGLMGeneration.ChatGLM6B ? IgnoredLabel : _tokenizer.PadTokenId);
        IgnorePadding(labels);
        return new TokenizedExample(inputs, labels);
    }

    private string Prompt(TrainingRecord record, string query, bool isTraining)
    {
        if (_options.InputColumn is { } input && record.Has(input) && record.Text(input) is { Length: > 0 } about)
            query += "\n" + about;
        var history = _options.HistoryColumn is { } column ? record.History(column) : [];
        return _options.SourcePrefix + (_tokenizer switch
        {
            ChatGLM2Tokenizer second => second.BuildPrompt(query, [.. history.SelectMany(round => new[] { new ChatMessage(ChatRole.User, round.Query), new ChatMessage(ChatRole.Assistant, round.Response) })]),
            // A first question stands bare in the script's evaluation; its training writes the round also then, if there is a column of histories at all.
            _ when _options.HistoryColumn is null || (history.Count == 0 && !isTraining) => query,
            _ => Rounds(history, query),
        });
    }

    /// <summary>The prompt of ChatGLM-6B's script with a history: rounds from 0.</summary>
    private static string Rounds(IReadOnlyList<(string Query, string Response)> history, string query)
    {
        var prompt = new StringBuilder();
        for (var i = 0; i < history.Count; i++)
            prompt.Append(CultureInfo.InvariantCulture, $"[Round {i}]\n问：{history[i].Query}\n答：{history[i].Response}\n");
        return prompt.Append(CultureInfo.InvariantCulture, $"[Round {history.Count}]\n问：{query}\n答：").ToString();
    }

    private void IgnorePadding(int[] labels)
    {
        if (_options.IgnorePadTokenForLoss)
            labels.AsSpan().Replace(_tokenizer.PadTokenId, IgnoredLabel);
    }

    private string Fingerprint(string rows) => $"seq2seq:1:{rows}:{_tokenizer.Fingerprint}:{_options}";

    private static EncodeOptions Cut(int length, bool special) => new() { AddSpecialTokens = special, Truncation = true, MaxLength = length };
}
