namespace ChatGLM.Formats;

/// <summary>
/// A pickle that asks for something other than tensors and plain containers. Nothing of it was run: the reader has no way to call
/// anything.
/// </summary>
public sealed class UnsafePickleException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The file.</param>
    /// <param name="refused">What the pickle asks for, such as <c>posix.system</c>.</param>
    /// <param name="offset">Where in the pickle, in bytes.</param>
    public UnsafePickleException(string path, string refused, long offset)
        : base($"{path}: the pickle asks for '{ErrorText.Bound(refused)}' (at byte {offset} of the pickle). Only tensors and plain containers are read and "
            + "nothing was executed. If you trust the file, load it in Python and save its state dict as safetensors.")
    {
        Path = path;
        Refused = refused;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What the pickle asks for: a Python name such as <c>posix.system</c>, or an opcode that would run code.</summary>
    public string Refused { get; }
}
