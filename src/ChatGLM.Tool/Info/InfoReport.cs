using System.Text.Json.Nodes;

namespace ChatGLM.Tool.Info;

/// <summary>What there is to know of a snapshot, an adapter or a weight file.</summary>
/// <param name="Sections">For people.</param>
/// <param name="Json">The same for programs, numbers as numbers.</param>
internal sealed record InfoReport(IReadOnlyList<InfoSection> Sections, JsonObject Json);
