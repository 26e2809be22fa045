using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>A tensor that the layers of an adapter share.</summary>
/// <param name="Key">Its whole key in a file.</param>
/// <param name="Tensor">The numbers.</param>
/// <param name="IsSaved">Whether a file has to hold it; one that need not may still.</param>
internal readonly record struct SharedTensor(string Key, Tensor Tensor, bool IsSaved);
