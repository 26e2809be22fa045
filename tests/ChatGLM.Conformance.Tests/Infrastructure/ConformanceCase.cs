using System.Text.Json;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>One recorded case: a folder with a <c>case.json</c> that says what was done and how close to come.</summary>
public sealed class ConformanceCase
{
    private ConformanceCase(string name, string folder, JsonElement json)
    {
        Name = name;
        Folder = folder;
        Json = json;
    }

    /// <summary>The folder relative to its root, with the root's own name before it; unique, and what a failing test shows.</summary>
    public string Name { get; }

    public string Folder { get; }

    public JsonElement Json { get; }

    public string Kind => Json.GetProperty("kind").GetString()!;

    public string PathOf(string file) => Path.Combine(Folder, file);

    public JsonElement ReadJson(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(PathOf(file)));
        return document.RootElement.Clone();
    }

    internal static ConformanceCase Load(string name, string folder)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "case.json")));
        return new ConformanceCase(name, folder, document.RootElement.Clone());
    }

    public override string ToString() => Name;
}
