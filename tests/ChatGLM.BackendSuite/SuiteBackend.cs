namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>One backend under test.</summary>
/// <param name="Name">What a failing test calls it.</param>
/// <param name="Backend">The backend.</param>
/// <param name="LoanedBuffers">Counts the buffers that are alive.</param>
/// <param name="SameBits">Backends with the same word here promise the same bits.</param>
internal sealed record SuiteBackend(string Name, Backend Backend, Func<long> LoanedBuffers, string SameBits);
