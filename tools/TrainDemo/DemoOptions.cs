namespace ChatGLM.Tools.TrainDemo;

/// <summary>What to train, and how long.</summary>
internal sealed record DemoOptions(string Tokenizer, string Output, int Steps, int Batch, double LearningRate, ulong Seed);
