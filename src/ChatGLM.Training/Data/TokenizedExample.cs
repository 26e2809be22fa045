namespace ChatGLM.Training;

/// <summary>One row of training data as token ids: what the feature building of a script makes of a record.</summary>
/// <param name="InputIds">The tokens.</param>
/// <param name="Labels">What each position should be, -100 where it does not count; null where there is nothing to learn or compare.</param>
public sealed record TokenizedExample(int[] InputIds, int[]? Labels = null);
