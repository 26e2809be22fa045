using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>
/// Sends answers as they are written. Until the first piece an error is an ordinary answer with its status; afterwards it is an event, and the stream ends without the word that ends a good one.
/// </summary>
internal sealed class StreamedAnswer(HttpContext context, GenerationFields request, TimeSpan keepAlive, ILogger logger) : IDisposable
{
    private readonly EventStream _stream = new(context);
    private UsageDetails? _usage;
    private ResponseHead? _head;
    private string _kind = "";

    /// <summary>Sends one answer; there may be others after it in the same stream.</summary>
    public async Task SendAsync(IAsyncEnumerable<ChatResponseUpdate> updates, IChunkFormat format)
    {
        try
        {
            await using var reader = updates.GetAsyncEnumerator(CancellationToken.None); // the updates end by the request's own token
            var isFirst = true;
            while (await NextAsync(reader))
            {
                var update = reader.Current;
                _head ??= ResponseHead.Of(update);
                if (isFirst && format.HasOpening)
                    await WriteAsync(format, null, [], null);
                isFirst = false;
                await SendUpdateAsync(format, update);
            }
        }
        catch (Exception error) when (context.Response.HasStarted)
        {
            await SendErrorAsync(error);
            throw new StreamBrokenException();
        }
    }

    /// <summary>Ends the stream.</summary>
    public async Task EndAsync()
    {
        if (request.IncludesUsage && _head is not null && _usage is { } usage)
        {
            await _stream.WriteAsync(writer =>
            {
                writer.WriteStartObject();
                _head.Write(writer, _kind);
                writer.WriteStartArray("choices");
                writer.WriteEndArray();
                ResponseHead.WriteUsage(writer, usage);
                writer.WriteEndObject();
            });
        }

        await _stream.EndAsync();
    }

    public void Dispose() => _stream.Dispose();

    private async Task SendUpdateAsync(IChunkFormat format, ChatResponseUpdate update)
    {
        if (update.Contents.OfType<UsageContent>().FirstOrDefault() is { } usage)
        {
            if (_usage is null)
                _usage = usage.Details;
            else
                _usage.Add(usage.Details);
        }

        var reason = update.FinishReason?.Value;
        var contents = update.Contents.Where(c => c is not UsageContent).ToList();
        if (contents.Count > 0 || reason is not null)
            await WriteAsync(format, update, contents, reason);
    }

    private Task WriteAsync(IChunkFormat format, ChatResponseUpdate? update, List<AIContent> contents, string? finishReason)
    {
        _kind = format.Kind;
        return _stream.WriteAsync(writer =>
        {
            writer.WriteStartObject();
            _head!.Write(writer, format.Kind);
            writer.WriteStartArray("choices");
            if (update is null)
                format.WriteOpening(writer);
            else
                format.WriteChoice(writer, contents, finishReason);
            writer.WriteEndArray();
            if (request.IncludesUsage)
                writer.WriteNull("usage");
            writer.WriteEndObject();
        });
    }

    private async Task<bool> NextAsync(IAsyncEnumerator<ChatResponseUpdate> reader)
    {
        var next = reader.MoveNextAsync();
        if (next.IsCompleted)
            return await next;
        var waiting = next.AsTask();
        while (true)
        {
            await ((Task)waiting).WaitAsync(keepAlive).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (waiting.IsCompleted)
                return await waiting;
            await _stream.KeepAliveAsync();
        }
    }

    private async Task SendErrorAsync(Exception error)
    {
        var clock = context.Features.Get<RequestClock>();
        if (clock?.IsClientGone == true)
            return;
        var answer = ApiErrors.From(error, clock);
        if (answer.Status >= 500)
            ServerLog.Failed(logger, error, context.Request.Method, context.Request.Path, context.TraceIdentifier);
        await _stream.WriteAsync(writer => ApiErrors.Write(writer, answer));
    }
}
