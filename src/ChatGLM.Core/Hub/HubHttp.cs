using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Text.Json;

namespace ChatGLM.Hub;

/// <summary>Sends single requests: follows redirects without taking the token to another host, and bounds silence and size.</summary>
internal sealed class HubHttp : IDisposable
{
    private const int MaxRedirects = 10;
    private const int MaxJsonBytes = 32 << 20;

    private readonly HttpClient _client;
    private readonly IModelHub _hub;
    private readonly TimeSpan _timeout;

    public HubHttp(IModelHub hub, HubOptions options)
    {
        _hub = hub;
        _timeout = options.Timeout;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None, // lengths and ranges count the bytes of the file
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = options.Timeout,
        };
        if (options.Proxy is not null)
            handler.Proxy = options.Proxy;
        _client = new HttpClient(handler) { Timeout = System.Threading.Timeout.InfiniteTimeSpan };
        _client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("chatglm-dotnet", "0.1"));
        _client.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    /// <summary>Sends a request and returns the headers of the last answer.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="address">Where to.</param>
    /// <param name="from">The first byte that is wanted; 0 for all.</param>
    /// <param name="stopAt">Tells a redirect whose own headers are the answer.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, Uri address, long from, Func<HttpResponseMessage, Uri, bool>? stopAt, CancellationToken cancellationToken)
    {
        for (var redirects = 0; ; redirects++)
        {
            var response = await SendOnceAsync(method, address, from, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect) || response.Headers.Location is not { } location)
            {
                return response;
            }

            var target = new Uri(address, location);
            if (stopAt?.Invoke(response, target) == true)
                return response;
            response.Dispose();
            if (redirects == MaxRedirects)
                throw new HubProtocolException("", $"{address.GetLeftPart(UriPartial.Path)}: the server redirects more than {MaxRedirects} times.");
            if (target.Scheme is not ("http" or "https") || (address.Scheme == "https" && target.Scheme != "https"))
                throw new HubProtocolException("", $"{address.GetLeftPart(UriPartial.Path)}: the server redirects from {address.Scheme} to {target.Scheme}, which is not followed.");
            address = target;
        }
    }

    public bool IsHome(Uri address) => Uri.Compare(address, _hub.Endpoint, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>Reads an answer as JSON.</summary>
    public async Task<JsonDocument> ReadJsonAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        var chunk = new byte[16 << 10];
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        while (await ReadAsync(stream, chunk, silence, cancellationToken).ConfigureAwait(false) is > 0 and var read)
        {
            buffer.Write(chunk, 0, read);
            if (buffer.Length > MaxJsonBytes)
                throw new HubProtocolException("", $"{response.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)}: the answer has more than {MaxJsonBytes} bytes; no listing needs so many.");
        }

        try
        {
            return JsonDocument.Parse(buffer.GetBuffer().AsMemory(0, (int)buffer.Length));
        }
        catch (JsonException e)
        {
            throw new HubProtocolException("", $"{response.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)}: the answer is not JSON: {e.Message} Is this the address of a hub?", e);
        }
    }

    /// <summary>Reads the next bytes of a body; a cut or silent connection is worth another attempt.</summary>
    /// <param name="stream">The body.</param>
    /// <param name="buffer">Where to put them.</param>
    /// <param name="silence">Linked to the caller's token, and used for all reads of this body.</param>
    /// <param name="cancellationToken">The caller's own.</param>
    public async ValueTask<int> ReadAsync(Stream stream, Memory<byte> buffer, CancellationTokenSource silence, CancellationToken cancellationToken)
    {
        try
        {
            silence.CancelAfter(_timeout);
            return await stream.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransientHubException($"the server was silent for {_timeout.TotalSeconds:0.#} seconds", inner: e);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new TransientHubException($"the connection was cut ({e.Message})", inner: e);
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(HttpMethod method, Uri address, long from, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address);
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        if (IsHome(address))
            _hub.Authorize(request);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(_timeout);
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransientHubException($"{address.Host} did not answer within {_timeout.TotalSeconds:0.#} seconds", inner: e);
        }
        catch (HttpRequestException e)
        {
            var unreachable = e.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
                or HttpRequestError.ProxyTunnelError or HttpRequestError.SecureConnectionError || e.InnerException is AuthenticationException;
            throw new TransientHubException($"{address.Host} cannot be reached ({e.Message})", isUnreachable: unreachable, inner: e);
        }
        catch (IOException e)
        {
            throw new TransientHubException($"the connection to {address.Host} was cut ({e.Message})", inner: e);
        }

        if (!IsTransient(response.StatusCode) && (response.IsSuccessStatusCode || (int)response.StatusCode is >= 300 and < 400 or 416 || IsHome(address)))
            return response;
        using (response)
        {
            // A store that refuses has often only seen its signed address expire: another attempt asks the hub for a new one.
            throw new TransientHubException($"{address.Host} answered {(int)response.StatusCode} {response.ReasonPhrase}", RetryAfter(response));
        }
    }

    private static bool IsTransient(HttpStatusCode status) => status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;

    private static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - DateTimeOffset.UtcNow is { Ticks: > 0 } wait ? wait : TimeSpan.Zero,
        _ => null,
    };
}
