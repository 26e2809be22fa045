namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>A topic whose exchanges can be listed. Its questions are asked more or less politely.</summary>
/// <param name="exchanges">All of them.</param>
/// <param name="isPolite">Whether a question may begin with a phrase such as 请问.</param>
internal sealed class FixedTopic(IEnumerable<Exchange> exchanges, bool isPolite = true) : ITopic
{
    /// <summary>All of them, as they were given.</summary>
    public IReadOnlyList<Exchange> All { get; } = [.. exchanges];

    public IReadOnlyList<Exchange> Next(Draw draw) => [Manners.Vary(draw.From(All), draw, isPolite)];
}
