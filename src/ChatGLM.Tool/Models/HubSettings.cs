using ChatGLM.Hub;

namespace ChatGLM.Tool.Models;

/// <summary>Where repos come from.</summary>
/// <param name="Revision">The branch, tag or commit; null for the hub's default.</param>
/// <param name="Options">The hub, its address and its cache.</param>
internal sealed record HubSettings(string? Revision, HubOptions Options);
