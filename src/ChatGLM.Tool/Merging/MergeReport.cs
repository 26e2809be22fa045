namespace ChatGLM.Tool.Merging;

/// <summary>What was merged.</summary>
/// <param name="Folder">The new snapshot.</param>
/// <param name="Adapters">The adapters that are in it.</param>
/// <param name="Bytes">The size of its weights.</param>
internal sealed record MergeReport(string Folder, IReadOnlyList<string> Adapters, long Bytes);
