namespace ChatGLM.Tool.Measuring;

/// <summary>What is measured.</summary>
/// <param name="PromptTokens">Lengths of prompts.</param>
/// <param name="NewTokens">How many tokens are decoded one by one.</param>
/// <param name="Repetitions">How often each is measured.</param>
internal sealed record BenchSettings(IReadOnlyList<int> PromptTokens, int NewTokens, int Repetitions);
