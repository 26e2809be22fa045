using ChatGLM.Generation;

namespace ChatGLM.Tool.Generation;

/// <summary>What became of one text.</summary>
/// <param name="Index">Its place in the input, from 0.</param>
/// <param name="Prompt">The text.</param>
/// <param name="Text">What the model wrote; null if it could not.</param>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="PromptTokens">The tokens read.</param>
/// <param name="CompletionTokens">The tokens written.</param>
/// <param name="Error">Why nothing could be written; null if it was.</param>
internal sealed record GeneratedText(int Index, string Prompt, string? Text, FinishReason FinishReason, int PromptTokens, int CompletionTokens, string? Error = null);
