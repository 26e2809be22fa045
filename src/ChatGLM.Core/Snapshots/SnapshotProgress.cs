namespace ChatGLM.Snapshots;

/// <summary>How far the writing of a snapshot is.</summary>
/// <param name="TensorName">The tensor whose bytes were written last, by its name in the source.</param>
/// <param name="DoneBytes">The bytes of the source that are read, computed and written.</param>
/// <param name="TotalBytes">The bytes of all tensors of the source that are needed.</param>
public readonly record struct SnapshotProgress(string TensorName, long DoneBytes, long TotalBytes);
