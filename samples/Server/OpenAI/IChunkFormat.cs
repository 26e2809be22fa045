using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>How the pieces of a streamed answer are written. One for each answer.</summary>
internal interface IChunkFormat
{
    /// <summary>What the pieces are called.</summary>
    string Kind { get; }

    /// <summary>Whether an answer begins with a piece of its own.</summary>
    bool HasOpening { get; }

    /// <summary>Writes the choice of the first piece, where there is one.</summary>
    void WriteOpening(Utf8JsonWriter writer);

    /// <summary>Writes the choice of one update.</summary>
    void WriteChoice(Utf8JsonWriter writer, IEnumerable<AIContent> contents, string? finishReason);
}
