using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;

namespace ChatGLM.Samples.Server;

/// <summary>The page to chat on. Its files are inside the program and a closed list, so that no path of a request ever reaches a file system.</summary>
internal sealed class PageFiles
{
    /// <summary>Scripts, styles and pictures from here only, none of them inline; no frames, no forms to elsewhere, nothing sent to others.</summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly Dictionary<string, string> Types = new(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    };

    /// <summary>The files by the paths under which they are asked for.</summary>
    public IReadOnlyDictionary<string, RequestDelegate> Handlers { get; } = Load();

    private static Dictionary<string, RequestDelegate> Load()
    {
        const string Prefix = "Page/";
        var assembly = typeof(PageFiles).Assembly;
        var handlers = new Dictionary<string, RequestDelegate>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var resource = assembly.GetManifestResourceStream(name)!;
            var bytes = new byte[resource.Length];
            resource.ReadExactly(bytes);
            var path = name[Prefix.Length..] is "index.html" ? "/" : "/" + name[Prefix.Length..];
            handlers.Add(path, Serve(bytes, Types[Path.GetExtension(name)]));
        }

        return handlers;
    }

    private static RequestDelegate Serve(byte[] bytes, string type)
    {
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 12))}\"");
        return async context =>
        {
            var response = context.Response;
            response.Headers.ETag = tag.ToString();
            response.Headers.CacheControl = "no-cache"; // asked for again each time, sent again only when it has changed
            response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
            if (context.Request.GetTypedHeaders().IfNoneMatch is { Count: > 0 } known && known.Any(k => k.Compare(tag, useStrongComparison: false)))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }

            response.ContentType = type;
            response.ContentLength = bytes.Length;
            if (!HttpMethods.IsHead(context.Request.Method))
                await response.Body.WriteAsync(bytes, context.RequestAborted);
        };
    }
}
