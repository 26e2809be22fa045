namespace ChatGLM.Training;

/// <summary>How far an evaluation or prediction is.</summary>
/// <param name="Batch">The batches done.</param>
/// <param name="Batches">All batches.</param>
public readonly record struct PredictionProgress(int Batch, int Batches);
