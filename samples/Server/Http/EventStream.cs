using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace ChatGLM.Samples.Server.Http;

/// <summary>An answer that is a stream of server-sent events, each a JSON object; the headers go out with the first.</summary>
internal sealed class EventStream(HttpContext context) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _buffer = new(512);
    private Utf8JsonWriter? _writer;

    /// <summary>Sends one event.</summary>
    public Task WriteAsync(Action<Utf8JsonWriter> write)
    {
        _buffer.Clear();
        _buffer.Write("data: "u8);
        if (_writer is null)
            _writer = new Utf8JsonWriter(_buffer, JsonBody.WriterOptions);
        else
            _writer.Reset(_buffer);
        write(_writer);
        _writer.Flush();
        _buffer.Write("\n\n"u8);
        return SendAsync(_buffer.WrittenMemory);
    }

    /// <summary>Says that the stream is alive.</summary>
    public Task KeepAliveAsync() => SendAsync(": keep-alive\n\n"u8.ToArray());

    /// <summary>Sends the event that ends an answer.</summary>
    public Task EndAsync() => SendAsync("data: [DONE]\n\n"u8.ToArray());

    public void Dispose() => _writer?.Dispose();

    private async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        var response = context.Response;
        if (!response.HasStarted)
        {
            response.ContentType = "text/event-stream; charset=utf-8";
            response.Headers.CacheControl = "no-store";
            response.Headers["X-Accel-Buffering"] = "no"; // proxies must not collect it
            context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        }

        await response.Body.WriteAsync(bytes);
        await response.Body.FlushAsync();
    }
}
