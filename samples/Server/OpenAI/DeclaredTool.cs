using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>A function that the client runs, not the server.</summary>
internal sealed class DeclaredTool(string name, string description, JsonElement parameters) : AIFunctionDeclaration
{
    public override string Name => name;

    public override string Description => description;

    public override JsonElement JsonSchema => parameters;

    /// <summary>The schema of a function that takes nothing.</summary>
    public static JsonElement NoParameters
    {
        get
        {
            using var document = JsonDocument.Parse("""{"type": "object", "properties": {}}""");
            return document.RootElement.Clone();
        }
    }
}
