namespace ChatGLM.Tool.Chat;

/// <summary>A file that the command was given holds something else than it should.</summary>
/// <param name="path">The file.</param>
/// <param name="problem">What is wrong with it.</param>
internal sealed class ToolFileException(string path, string problem) : ChatGLMException($"'{path}': {problem}");
