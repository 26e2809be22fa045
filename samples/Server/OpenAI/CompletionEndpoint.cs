using System.Text.Json;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary><c>POST /v1/completions</c>: texts continued as they are, one choice for each prompt.</summary>
internal sealed class CompletionEndpoint(ChatGLMCompletionClient client, SharedModel model, IOptions<ServerOptions> options, ILogger<CompletionEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        using var body = await JsonBody.ReadAsync(context);
        var request = CompletionRequest.Read(body.RootElement, options.Value);
        ModelEndpoint.Require(model, request.Generation.Model);
        var cancellation = context.RequestAborted;
        if (request.Generation.IsStream)
        {
            using var stream = new StreamedAnswer(context, request.Generation, TimeSpan.FromSeconds(options.Value.KeepAliveSeconds), logger);
            for (var i = 0; i < request.Prompts.Count; i++)
                await stream.SendAsync(client.CompleteStreamingAsync(request.Prompts[i], request.Generation.Options, cancellation), new CompletionChunkFormat(i));
            await stream.EndAsync();
            return;
        }

        var responses = new List<ChatResponse>();
        foreach (var prompt in request.Prompts)
            responses.Add(await client.CompleteAsync(prompt, request.Generation.Options, cancellation));
        await JsonBody.WriteAsync(context, writer => Write(writer, responses));
    }

    private static void Write(Utf8JsonWriter writer, List<ChatResponse> responses)
    {
        var usage = new UsageDetails();
        foreach (var response in responses)
            usage.Add(response.Usage!);
        writer.WriteStartObject();
        new ResponseHead(responses[0].ResponseId!, responses[0].ModelId!, responses[0].CreatedAt!.Value).Write(writer, "text_completion");
        writer.WriteStartArray("choices");
        for (var i = 0; i < responses.Count; i++)
            CompletionChunkFormat.WriteChoice(writer, i, responses[i].Text, responses[i].FinishReason?.Value);
        writer.WriteEndArray();
        ResponseHead.WriteUsage(writer, usage);
        writer.WriteEndObject();
    }
}
