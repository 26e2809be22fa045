namespace ChatGLM.Tensors;

/// <summary>
/// The operations of the models (<c>torch.nn.functional</c>): each checks its shapes, calls one kernel of the backend, and records the operation with its backward beside
/// it when a gradient is needed.
/// </summary>
public static partial class Functional;
