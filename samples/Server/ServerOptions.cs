namespace ChatGLM.Samples.Server;

/// <summary>How the server behaves; the section <c>Server</c> of the configuration. What concerns the model is the section <c>Model</c>, which <see cref="Extensions.AI.ChatGLMOptions"/> describes.</summary>
internal sealed class ServerOptions
{
    public const string Section = "Server";

    /// <summary>The address to listen on: an IP address, <c>localhost</c>, or <c>*</c> for all addresses of the machine.</summary>
    public string Host { get; set; } = "127.0.0.1";

    /// <summary>The port to listen on; 0 for a free one.</summary>
    public int Port { get; set; } = 8080;

    /// <summary>The key that requests must bring as <c>Authorization: Bearer KEY</c>; null for none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>Whether other machines may ask without a key.</summary>
    public bool AllowAnonymous { get; set; }

    /// <summary>Adapters by the names under which requests ask for them, each a folder in peft's form.</summary>
    public Dictionary<string, string> Adapters { get; set; } = [];

    /// <summary>The most bytes of a request.</summary>
    public int MaxRequestBytes { get; set; } = 1 << 20;

    /// <summary>The most messages of a chat.</summary>
    public int MaxMessages { get; set; } = 1000;

    /// <summary>The most tools of a chat.</summary>
    public int MaxTools { get; set; } = 128;

    /// <summary>The most texts of one request for embeddings or completions.</summary>
    public int MaxInputs { get; set; } = 256;

    /// <summary>The most tokens that an answer may have, and the number of those who do not say; null for what the model's positions allow.</summary>
    public int? MaxOutputTokens { get; set; }

    /// <summary>How long a request may take, waiting included.</summary>
    public double RequestTimeoutSeconds { get; set; } = 600;

    /// <summary>How long answers under way have to end once the server is told to stop.</summary>
    public double ShutdownSeconds { get; set; } = 30;

    /// <summary>After so long without a word a stream gets a comment, so that nobody in between takes it for dead.</summary>
    public double KeepAliveSeconds { get; set; } = 15;

    /// <summary>The most connections at once.</summary>
    public int MaxConnections { get; set; } = 1024;

    /// <summary>Whether only this machine can ask.</summary>
    public bool IsLoopback => Host == "localhost" || (System.Net.IPAddress.TryParse(Host, out var address) && System.Net.IPAddress.IsLoopback(address));
}
