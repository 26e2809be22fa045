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
    [InlineData("{\"a\": 1", "*record 1 (line 1, byte 0)*ends*")]
    [InlineData("{\"a\": 1} nonsense", "*record 2 (line 1, byte 9)*not JSON*")]
    [InlineData("{\"a\": 1}\n{\"a\":\n 2,, }", "*record 2 (line 2, byte 9)*not JSON*line 3, byte 18*")]
    [InlineData("[1]", "*record 1*number*")]
    [InlineData("{\"a\": \"b\"}]", "*record 2*")]
    [InlineData("[{\"a\": \"b\"}", "*record 2*']' is missing*")]
    [InlineData("[{\"a\": \"b\"},]", "*record 2*']' after ','*")]
    [InlineData("[{\"a\": \"b\"} {\"a\": \"b\"}]", "*record 2*'{' after '}'*")]
    [InlineData("[,{\"a\": \"b\"}]", "*record 1*',' after '['*")]
    [InlineData("[{\"a\": \"b\"}] {}", "*record 2*after the end of the array*")]
    public void Damaged_json_is_refused_by_record(string text, string message) =>
        FluentActions.Invoking(() => Read("data.json", text)).Should().Throw<TrainingDataException>().WithMessage(message);

    [Fact]
    public void Text_that_is_no_unicode_is_refused_when_it_is_asked_for()
    {
        FluentActions.Invoking(() => Read("data.json", "{\"a\": \"\\ud800\"}")[0].Text("a")).Should().Throw<TrainingDataException>().WithMessage("*record 1*'a'*Unicode*");
        File.WriteAllBytes(_folder["latin.csv"], [(byte)'a', (byte)'\n', 0xE9, (byte)'\n']);
        FluentActions.Invoking(() => TrainingFile.ReadRecords(_folder["latin.csv"]).ToList()).Should().Throw<TrainingDataException>().WithMessage("*UTF-8*E9*");
        File.WriteAllText(_folder["wide.json"], "{\"a\": \"b\"}", Encoding.Unicode);
        FluentActions.Invoking(() => TrainingFile.ReadRecords(_folder["wide.json"]).ToList()).Should().Throw<TrainingDataException>().WithMessage("*UTF-16*");
    }

    [Fact]
    public void A_file_that_is_not_there_is_said_before_anything_is_read() =>
        FluentActions.Invoking(() => TrainingFile.ReadRecords(_folder["missing.json"])).Should().Throw<TrainingDataException>().WithMessage("*missing.json*no such file*");

    [Theory]
    [InlineData("[", ",", "]", ".json")]
    [InlineData("", "\n", "", ".jsonl")]
    [InlineData("", "", "", ".json")]
    public void A_large_file_is_read_as_far_as_its_records_are_used(string open, string between, string close, string extension)
    {
        // A gigabyte of records: what is read is bounded by what is taken, and so is what is allocated.
        var record = Encoding.UTF8.GetBytes($"{{\"content\": \"类型#裤\", \"summary\": \"{new string('好', 300)}\"}}{between}");
        const long Records = 1 << 20;
        using var stream = new CountingStream(i => i == 0 ? [.. Encoding.UTF8.GetBytes(open), .. record] : i == Records ? Encoding.UTF8.GetBytes(close) : record, Records + 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        TrainingFile.ReadRecords(stream, "big" + extension).Take(2000).Count(r => r.Text("summary").Length == 300).Should().Be(2000);
        stream.BytesRead.Should().BeLessThan((2000 + 200) * record.Length);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(16 << 20);
    }

    [Fact]
    public void Lines_of_text_are_records_whatever_ends_them()
    {
        Read("data.txt", "一\r\n\ntwo").Select(r => r.Text("text")).Should().Equal("一", "", "two");
        Read("data.txt", "").Should().BeEmpty();
    }

    [Theory]
    [InlineData("{\"content\": \"q\", \"summary\": \"a\"}", "content", "summary", null, null)]
    [InlineData("{\"context\": \"q\", \"target\": \"a\"}", "context", "target", null, null)]
    [InlineData("{\"instruction\": \"q\", \"input\": \"\", \"output\": \"a\"}", "instruction", "output", "input", null)]
    [InlineData("{\"prompt\": \"q\", \"response\": \"a\", \"history\": []}", "prompt", "response", null, "history")]
    [InlineData("{\"prompt\": \"q\", \"response\": \"a\"}", "prompt", "response", null, null)]
    public void Columns_are_known_by_their_names(string record, string prompt, string response, string? input, string? history) =>
        DataColumns.Detect(Read("data.json", record)[0]).Should().Be(new DataColumns(prompt, response, input, history));

    [Fact]
    public void Columns_that_are_not_known_are_named() =>
        FluentActions.Invoking(() => DataColumns.Detect(Read("data.json", "{\"x\": 1}")[0])).Should().Throw<TrainingDataException>().WithMessage("*record 1*content/summary*found x*");

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
