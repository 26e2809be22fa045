using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using ChatGLM.Samples.Server;
using ChatGLM.Samples.Server.Http;
using ChatGLM.Samples.Server.OpenAI;
using Microsoft.AspNetCore.Http;

namespace ChatGLM.Server.Tests;

/// <summary>Requests as nobody would write them: each is read, or refused with an error that is the client's.</summary>
public sealed partial class FuzzTests
{
    private static readonly string[] Seeds =
    [
        """
        {"model": "m", "temperature": 0.5, "top_p": 0.9, "max_tokens": 12, "seed": 7, "stop": ["a", "b"], "stream": true, "stream_options": {"include_usage": true}, "n": 1, "tool_choice": "auto",
         "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"enum": ["é", 1, null]}}}}}],
         "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "你好"}]},
                      {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": [1, {\"y\": \"z\"}]}"}}]},
                      {"role": "tool", "tool_call_id": "1", "content": "r"}]}
        """,
        """{"model": "m", "prompt": ["a", "b"], "max_tokens": 3, "logit_bias": {}, "best_of": 1, "echo": false, "presence_penalty": -1, "frequency_penalty": 1.5, "repetition_penalty": 1.1}""",
    ];

    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1", "1.5", "1e999", "-0", "9223372036854775808", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[[[[]]]]", "{\"a\": {\"b\": []}}", "\"function\"", "\"text\"", "[null]", "\"x\"",
    ];

    [Fact]
    public async Task Whatever_a_request_holds_it_is_read_or_refused()
    {
        var random = new Random(5);
        var (read, refused) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            var body = Mutate(Seeds[i % Seeds.Length], random);
            try
            {
                using var json = await JsonBody.ReadAsync(new DefaultHttpContext { Request = { ContentType = "application/json", Body = new MemoryStream(body) } });
                if (i % 2 == 0)
                    ChatRequest.Read(json.RootElement, new ServerOptions());
                else
                    CompletionRequest.Read(json.RootElement, new ServerOptions());
                read++;
            }
            catch (Exception error) when (error is ApiException or JsonException)
            {
                ApiErrors.From(error, null).Status.Should().Be(400);
                refused++;
            }
        }

        read.Should().BeGreaterThan(500);
        refused.Should().BeGreaterThan(500);
    }

    private static byte[] Mutate(string seed, Random random)
    {
        var text = seed;
        for (var count = random.Next(3); count >= 0; count--)
        {
            var values = ValuePattern().Matches(text);
            if (values.Count == 0)
                break;
            var match = values[random.Next(values.Count)];
            text = text[..match.Index] + Values[random.Next(Values.Length)] + text[(match.Index + match.Length)..];
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        for (var count = random.Next(-3, 3); count > 0; count--)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return bytes;
    }

    [GeneratedRegex("\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9.]+|true|false|null|\\{\\}|\\[\\]")]
    private static partial Regex ValuePattern();
}
