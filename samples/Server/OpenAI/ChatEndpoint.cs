using System.Text.Json;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(IChatClient chat, SharedModel model, IOptions<ServerOptions> options, ILogger<ChatEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        using var body = await JsonBody.ReadAsync(context);
        var request = ChatRequest.Read(body.RootElement, options.Value);
        ModelEndpoint.Require(model, request.Generation.Model);
        var cancellation = context.RequestAborted;
        if (request.Generation.IsStream)
        {
            using var stream = new StreamedAnswer(context, request.Generation, TimeSpan.FromSeconds(options.Value.KeepAliveSeconds), logger);
            await stream.SendAsync(chat.GetStreamingResponseAsync(request.Messages, request.Generation.Options, cancellation), new ChatChunkFormat());
            await stream.EndAsync();
            return;
        }

        var response = await chat.GetResponseAsync(request.Messages, request.Generation.Options, cancellation);
        await JsonBody.WriteAsync(context, writer => Write(writer, response));
    }

    private static void Write(Utf8JsonWriter writer, ChatResponse response)
    {
        writer.WriteStartObject();
        new ResponseHead(response.ResponseId!, response.ModelId!, response.CreatedAt!.Value).Write(writer, "chat.completion");
        writer.WriteStartArray("choices");
        writer.WriteStartObject();
        writer.WriteNumber("index", 0);
        WriteMessage(writer, [.. response.Messages.SelectMany(m => m.Contents)]);
        writer.WriteNull("logprobs");
        writer.WriteString("finish_reason", response.FinishReason?.Value);
        writer.WriteEndObject();
        writer.WriteEndArray();
        ResponseHead.WriteUsage(writer, response.Usage!);
        writer.WriteEndObject();
    }

    private static void WriteMessage(Utf8JsonWriter writer, List<AIContent> contents)
    {
        var text = string.Concat(contents.OfType<TextContent>().Select(c => c.Text));
        var calls = contents.OfType<FunctionCallContent>().ToList();
        writer.WriteStartObject("message");
        writer.WriteString("role", "assistant");
        writer.WriteString("content", text.Length > 0 || calls.Count == 0 ? text : null);
        writer.WriteNull("refusal");
        if (calls.Count > 0)
        {
            writer.WriteStartArray("tool_calls");
            foreach (var call in calls)
                ChatChunkFormat.WriteCall(writer, call, null);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
