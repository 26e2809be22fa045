using System.Text;

namespace ChatGLM.Training.Tests;

public sealed class DataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("[{\"a\": \"一\"}, {\"a\": \"b]\"}]")]
    [InlineData("{\"a\": \"一\"}\n{\"a\": \"b]\"}\n")]
    [InlineData("{\"a\": \"一\"}{\"a\": \"b]\"}")]
    [InlineData("\uFEFF[ {\"a\":\"一\"} ,\r\n {\"a\":\"b]\"} ] ")]
    public void Json_is_read_in_each_of_its_forms(string text) => Read("data.json", text).Select(r => r.Text("a")).Should().Equal("一", "b]");

    [Fact]
    public void Records_longer_than_a_buffer_are_read_whole()
    {
        var texts = Enumerable.Range(0, 5).Select(i => new string((char)('a' + i), 100_000)).ToArray();
        Read("data.json", string.Concat(texts.Select(t => $"{{\"a\": \"{t}\"}}"))).Select(r => r.Text("a")).Should().Equal(texts);
    }

    [Theory]
    [InlineData("{\"a\": 1", "*record 1*ends*")]
    [InlineData("{\"a\": 1} nonsense", "*record 2*not JSON*")]
    [InlineData("[1]", "*record 1*number*")]
    [InlineData("{\"a\": \"b\"}]", "*record 2*")]
    public void Damaged_json_is_refused_by_record(string text, string message) =>
        FluentActions.Invoking(() => Read("data.json", text)).Should().Throw<TrainingDataException>().WithMessage(message);

    [Fact]
    public void Csv_is_read_with_quotes_and_line_ends_in_fields()
    {
        var rows = Read("data.csv", "prompt,answer\r\n\"a, \"\"b\"\"\",\"line\nend\"\r\n,x\n");
        rows.Select(r => (r.Text("prompt"), r.Text("answer"))).Should().Equal(("a, \"b\"", "line\nend"), ("", "x"));
    }

    [Theory]
    [InlineData("a,b\n1", "*record 1*2 fields*1*")]
    [InlineData("a,b\n\"1,2", "*record 1*ends inside*")]
    [InlineData("a,a\n1,2", "*twice*")]
    public void Damaged_csv_is_refused_by_record(string text, string message) =>
        FluentActions.Invoking(() => Read("data.csv", text)).Should().Throw<TrainingDataException>().WithMessage(message);

    [Fact]
    public void A_column_that_is_not_there_is_named_with_those_that_are() =>
        FluentActions.Invoking(() => Read("data.json", "{\"content\": \"x\"}")[0].Text("context")).Should().Throw<TrainingDataException>().WithMessage("*data.json, record 1*'context'*content*");

    [Fact]
    public void A_history_is_rounds_of_question_and_answer()
    {
        Read("data.json", "{\"h\": [[\"q\", \"a\"]]}")[0].History("h").Should().Equal(("q", "a"));
        Read("data.json", "{\"h\": null}")[0].History("h").Should().BeEmpty();
        FluentActions.Invoking(() => Read("data.json", "{\"h\": [[\"q\"]]}")[0].History("h")).Should().Throw<TrainingDataException>();
    }

    private TrainingRecord[] Read(string name, string text)
    {
        File.WriteAllText(_folder[name], text, new UTF8Encoding(false));
        return [.. TrainingFile.ReadRecords(_folder[name])];
    }
}
