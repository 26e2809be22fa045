using System.Diagnostics;
using ChatGLM.Chat;

namespace ChatGLM.Core.Tests.Chat;

public sealed class ToolCallTests
{
    [Theory]
    [InlineData("tool_call()", "{}")]
    [InlineData(" tool_call ( a = 1 , ) ", "{\"a\":1}")]
    [InlineData("tool_call(city='北京', days=3)", "{\"city\":\"北京\",\"days\":3}")]
    [InlineData("tool_call(a=True,b=False,c=None)", "{\"a\":true,\"b\":false,\"c\":null}")]
    [InlineData("tool_call(a=[1,[2,],{}],b={'x':{'y':[]}})", "{\"a\":[1,[2],{}],\"b\":{\"x\":{\"y\":[]}}}")]
    [InlineData("tool_call(a=(1),b=(1,),c=(),d=(1,2),e=((\"x\")))", "{\"a\":1,\"b\":[1],\"c\":[],\"d\":[1,2],\"e\":\"x\"}")]
    [InlineData("tool_call(a=-1,b=+2,c=--3,d=1_000,e=0x1F,f=0b101,g=0o17,h=00)", "{\"a\":-1,\"b\":2,\"c\":3,\"d\":1000,\"e\":31,\"f\":5,\"g\":15,\"h\":0}")]
    [InlineData("tool_call(a=1.5,b=.5,c=5.,d=1e3,e=-2.5E-7,f=1e16)", "{\"a\":1.5,\"b\":0.5,\"c\":5.0,\"d\":1000.0,\"e\":-2.5e-07,\"f\":1e+16}")]
    [InlineData("tool_call(a=123456789012345678901234567890)", "{\"a\":123456789012345678901234567890}")]
    [InlineData("tool_call(a='x' \"y\"\n 'z')", "{\"a\":\"xyz\"}")]
    [InlineData("tool_call(a='''it's\n''fine''', b=\"\"\"\"q\"\"\")", "{\"a\":\"it's\\n''fine\",\"b\":\"\\u0022q\"}")]
    [InlineData(@"tool_call(a='\n\t\\\'\x41\u4f60\U0001F600\101\q', b=r'\n')", "{\"a\":\"\\n\\t\\\\'A你😀A\\\\q\",\"b\":\"\\\\n\"}")]
    [InlineData("tool_call(a=\"print('tool_call(')\")", "{\"a\":\"print('tool_call(')\"}")]
    public void Reads_what_python_would_evaluate(string code, string json)
    {
        using var expected = System.Text.Json.JsonDocument.Parse(json);
        var call = ToolCallParser.Parse("f", code);
        call.Name.Should().Be("f");
        System.Text.Json.JsonElement.DeepEquals(call.Arguments, expected.RootElement).Should().BeTrue("{0} should be {1}", call.Arguments, json);

        var streaming = new StreamingToolCallParser("f");
        var whole = false;
        foreach (var c in "```python\n tool_cal " + code + "\n```")
            whole = streaming.Append([c]);
        whole.Should().BeTrue();
        streaming.Finish().Arguments.GetRawText().Should().Be(call.Arguments.GetRawText());
    }

    [Theory]
    [InlineData("")]
    [InlineData("print(1)")]
    [InlineData("__import__('os').system('x')")]
    [InlineData("tool_call")]
    [InlineData("tool_call(")]
    [InlineData("tool_call(1)")]
    [InlineData("tool_call('x')")]
    [InlineData("tool_call(a=1, a=2)")]
    [InlineData("tool_call(a={'x':1,'x':2})")]
    [InlineData("tool_call(a={1:2})")]
    [InlineData("tool_call(a=b)")]
    [InlineData("tool_call(a=true)")]
    [InlineData("tool_call(a=open('x'))")]
    [InlineData("tool_call(a=1+1)")]
    [InlineData("tool_call(a=[x for x in y])")]
    [InlineData("tool_call(a=f'{x}')")]
    [InlineData("tool_call(a=b'x')")]
    [InlineData("tool_call(a=lambda: 1)")]
    [InlineData("tool_call(**{})")]
    [InlineData("tool_call(a=1) or 2")]
    [InlineData("tool_call(a=1); x")]
    [InlineData("tool_call(a='x")]
    [InlineData("tool_call(a='x\n')")]
    [InlineData("tool_call(a='\\x4')")]
    [InlineData("tool_call(a='\\N{BULLET}')")]
    [InlineData("tool_call(a='\\U00110000')")]
    [InlineData("tool_call(a=012)")]
    [InlineData("tool_call(a=1__0)")]
    [InlineData("tool_call(a=1.2.3)")]
    [InlineData("tool_call(a=1e999)")]
    [InlineData("tool_call(a=0x)")]
    [InlineData("tool_call(a=0xG)")]
    [InlineData("tool_call(a=[1 2])")]
    [InlineData("tool_call(a=[1,,2])")]
    [InlineData("tool_call(a=(,))")]
    [InlineData("tool_call(,)")]
    [InlineData("tool_call(a==1)")]
    [InlineData("tool_call(a=)")]
    [InlineData("tool_call(a=-)")]
    public void Refuses_what_is_not_in_the_grammar(string code)
    {
        var read = () => ToolCallParser.Parse("f", code);
        read.Should().Throw<ToolCallException>().WithMessage("*character*expected*found*");
        ToolCallParser.TryParse("f", code, out var call).Should().BeFalse();
        call.Should().BeNull();
    }

    [Theory]
    [InlineData("[", "]")]
    [InlineData("(", ")")]
    [InlineData("{'a':", "}")]
    public void Refuses_deep_nesting_and_takes_shallow(string open, string close)
    {
        string Nested(int depth) => "tool_call(a=" + string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth)) + ")";
        ToolCallParser.TryParse("f", Nested(30), out _).Should().BeTrue();
        ToolCallParser.TryParse("f", Nested(100_000), out _).Should().BeFalse();
        var clock = Stopwatch.StartNew();
        ToolCallParser.TryParse("f", "tool_call(a=" + new string('(', 500_000), out _).Should().BeFalse();
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void Refuses_a_call_without_end()
    {
        var endless = () => ToolCallParser.Parse("f", "tool_call(a='" + new string('x', ToolCallParser.MaxLength));
        endless.Should().Throw<ToolCallException>().WithMessage("*too long*");
        var parser = new StreamingToolCallParser("f");
        var stream = () =>
        {
            parser.Append("tool_call(a='");
            for (var i = 0; i < 2000; i++)
                parser.Append(new string('x', 1000));
        };
        stream.Should().Throw<ToolCallException>().WithMessage("*too long*");
        var unfinished = new StreamingToolCallParser("f");
        unfinished.Append("tool_call(a=(").Should().BeFalse();
        var finish = () => unfinished.Finish();
        finish.Should().Throw<ToolCallException>().WithMessage("*ends within*");
    }

    [Fact]
    public void Any_damage_is_refused_or_read_and_never_anything_else()
    {
        var random = new Random(29);
        const string code = "tool_call(city='北京', days=3, list=[1, 2.5, {'a': None}], text=\"\"\"x'y\"\"\", t=(1, 'é\\n'))";
        for (var i = 0; i < 5000; i++)
        {
            var damaged = code.ToCharArray();
            for (var k = 0; k < 3; k++)
                damaged[random.Next(damaged.Length)] = code[random.Next(code.Length)];
            ToolCallParser.TryParse("f", damaged.AsSpan(0, random.Next(damaged.Length + 1)), out _);
        }
    }
}
