using ChatGLM.Hub;

namespace ChatGLM.Tokenizers;

/// <summary>How <see cref="AutoTokenizer"/> opens a snapshot.</summary>
public sealed record TokenizerOptions
{
    /// <summary>The generation, where the folder does not say or says it wrong; null to find out from its files.</summary>
    public ChatGLMGeneration? Generation { get; init; }

    /// <summary>
    /// ChatGLM3 only: <c>&lt;|user|&gt;</c> and the other role names in a text that is encoded become role tokens. Off by default, and never
    /// in chat, where a user could otherwise fake a role by typing its name.
    /// </summary>
    public bool EncodeSpecialTokens { get; init; }

    /// <summary>The branch, tag or commit of a repo; null for the hub's default, <c>main</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>The cache; null for where <see cref="Hub"/> says, else where Hugging Face's tools keep it (HF_HUB_CACHE, HF_HOME, ~/.cache/huggingface/hub).</summary>
    public string? CacheDir { get; init; }

    /// <summary>Whether nothing may be downloaded. HF_HUB_OFFLINE=1 says the same for all.</summary>
    public bool LocalFilesOnly { get; init; }

    /// <summary>How a repo that the cache does not hold is downloaded: token, mirror, ModelScope, progress; null for the defaults.</summary>
    public HubOptions? Hub { get; init; }
}
