using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training.Tests;

public sealed class ConversationFeaturesTests : IDisposable
{
    private static readonly ChatGLM3Tokenizer Tokenizer = (ChatGLM3Tokenizer)SmallTokenizer.Open(ChatGLMGeneration.ChatGLM3);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>conversations.json holds what <c>MultiTurnDataset</c>, <c>process_batch</c> and <c>process_batch_eval</c> of THUDM/ChatGLM3 made of some records with this vocabulary.</summary>
    [Fact]
    public void Rows_are_those_of_the_demos()
    {
        var recorded = Recorded();
        foreach (var row in recorded.GetProperty("train").EnumerateArray())
        {
            var options = new ConversationOptions { MaxSeqLength = row.GetProperty("max_seq_length").GetInt32(), PadToMaxLength = row.GetProperty("pad").GetBoolean() };
            var rows = new ConversationFeatures(Tokenizer, options).Train([Record(row.GetProperty("record").GetRawText())]).ToArray();
            var (ids, labels) = (Ints(row.GetProperty("input_ids")), Ints(row.GetProperty("labels")));
            if (labels.All(label => label == -100))
            {
                rows.Should().BeEmpty("a row without anything to learn is left out");
                continue;
            }

            var padding = Tokenizer.PadTokenId;
            rows.Should().ContainSingle();
            rows[0].InputIds.Should().Equal(ids.Select((id, i) => i < Array.FindLastIndex(ids, id => id != 0) + 1 ? id : padding));
            rows[0].Labels.Should().Equal(labels);
        }
    }

    [Fact]
    public void Evaluation_rows_are_those_of_the_demo()
    {
        foreach (var batch in Recorded().GetProperty("evaluation").EnumerateArray())
        {
            var options = new ConversationOptions { MaxInputLength = batch.GetProperty("max_input_length").GetInt32(), MaxOutputLength = batch.GetProperty("max_output_length").GetInt32() };
            var rows = new ConversationFeatures(Tokenizer, options).Evaluation([Record(batch.GetProperty("record").GetRawText())]).ToArray();
            rows.Select(row => string.Join(' ', row.InputIds)).Should().Equal(batch.GetProperty("input_ids").EnumerateArray().Select(ids => string.Join(' ', Ints(ids))));
            rows.Select(row => string.Join(' ', row.Labels!)).Should().Equal(batch.GetProperty("output_ids").EnumerateArray().Select(ids => string.Join(' ', Ints(ids))));
        }
    }

    [Fact]
    public void Names_of_roles_in_a_text_stay_text()
    {
        var row = Train("""{"conversations": [{"role": "user", "content": "x<|assistant|>\ny[gMASK]sop"}, {"role": "assistant", "content": "<|user|>"}]}""").Single();
        row.InputIds.Count(id => id == Tokenizer.GetCommand("<|assistant|>")).Should().Be(1);
        row.InputIds.Count(id => id == Tokenizer.GetCommand("<|user|>")).Should().Be(1);
        row.InputIds.Count(id => id == Tokenizer.GMaskTokenId).Should().Be(1);
    }

    [Fact]
    public void Only_what_the_assistant_says_is_learned()
    {
        var row = Train("""{"conversations": [{"role": "user", "content": "q"}, {"role": "observation", "content": "o"}, {"role": "assistant", "content": "a", "metadata": "m"}, {"role": "user", "content": "r"}]}""").Single();
        var answer = Tokenizer.BuildSingleMessage(ChatRole.Assistant, "m", "a");
        row.Labels!.Where(label => label != -100).Should().Equal([.. answer[1..], Tokenizer.GetCommand("<|user|>")], "the answer ends where the next role begins");
    }

    [Theory]
    [InlineData("""{"conversations": [{"role": "robot", "content": "x"}]}""", "*record 1*conversations?0?.role*robot*")]
    [InlineData("""{"conversations": [{"role": "user"}]}""", "*conversations?0?*'content'*")]
    [InlineData("""{"conversations": "x"}""", "*array of messages*string*")]
    [InlineData("""{"messages": []}""", "*'conversations'*messages*")]
    [InlineData("""{"conversations": [{"role": "tool", "name": "f", "parameters": {"a b": 1}}]}""", "*'a b'*")]
    [InlineData("""{"conversations": [{"role": "user", "content": "\ud800"}]}""", "*content*Unicode*")]
    public void What_is_no_conversation_is_refused(string record, string message) =>
        FluentActions.Invoking(() => Train(record)).Should().Throw<TrainingDataException>().WithMessage(message);

    [Fact]
    public void Other_generations_have_no_roles() =>
        FluentActions.Invoking(() => new ConversationFeatures(SmallTokenizer.Open(ChatGLMGeneration.ChatGLM2))).Should().Throw<TrainingArgumentsException>().WithMessage("*ChatGLM3*");

    [Theory]
    [InlineData("\"it's\"", "\"it's\"")]
    [InlineData("\"it's \\\"x\\\"\"", "'it\\'s \"x\"'")]
    [InlineData("\"a\\\\b\\nc\\u0007\\u00a0\\u200b\\ue000\"", "'a\\\\b\\nc\\x07\\xa0\\u200b\\ue000'")]
    [InlineData("[1, -0, 1.0, 1e16, 123456789.25, 1e-5, 0.0001, 1e15, true, null, {\"k\": [\"晴😀\"]}]", "[1, 0, 1.0, 1e+16, 123456789.25, 1e-05, 0.0001, 1000000000000000.0, True, None, {'k': ['晴😀']}]")]
    public void Values_are_written_as_python_writes_them(string json, string expected)
    {
        using var document = JsonDocument.Parse(json);
        PythonLiterals.Repr(document.RootElement).Should().Be(expected);
    }

    [Fact]
    public void Json_is_written_as_python_writes_it()
    {
        using var document = JsonDocument.Parse("""{"a":[1,2.50,"é\n"],"b":{},"c":[]}""");
        PythonLiterals.Dumps(document.RootElement).Should().Be("""{"a": [1, 2.5, "é\n"], "b": {}, "c": []}""");
        PythonLiterals.Dumps(document.RootElement, 4).Should().Be("{\n    \"a\": [\n        1,\n        2.5,\n        \"é\\n\"\n    ],\n    \"b\": {},\n    \"c\": []\n}");
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(n => n.GetInt32())];

    private static JsonElement Recorded()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(SmallTokenizer.RepositoryRoot, "tests", "ChatGLM.Training.Tests", "conversations.json")));
        return document.RootElement.Clone();
    }

    private TokenizedExample[] Train(string record) => [.. new ConversationFeatures(Tokenizer).Train([Record(record)])];

    private TrainingRecord Record(string json)
    {
        File.WriteAllText(_folder["data.json"], json);
        return TrainingFile.ReadRecords(_folder["data.json"]).Single();
    }
}
