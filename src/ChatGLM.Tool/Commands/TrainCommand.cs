namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm train</c>.</summary>
internal static class TrainCommand
{
    /// <summary>A command line as the trainers' Python originals take it: dashes and underscores are the same, and a JSON file can stand for all flags.</summary>
    public static IReadOnlyList<string> Words(IReadOnlyList<string> args) => args;
}
