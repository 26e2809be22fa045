namespace ChatGLM.Tensors;

/// <summary>Where a tensor's storage lies.</summary>
/// <param name="Type">The kind of device: <c>cpu</c> or <c>cuda</c>, PyTorch's names.</param>
/// <param name="Index">Which of several devices of the kind.</param>
public readonly record struct Device(string Type, int Index = 0)
{
    /// <summary>The processor and its main memory.</summary>
    public static Device Cpu { get; } = new("cpu");

    /// <summary>An NVIDIA GPU.</summary>
    public static Device Cuda(int index = 0) => new("cuda", index);

    /// <summary>PyTorch's spelling, such as <c>cpu</c> or <c>cuda:0</c>.</summary>
    public override string ToString() => Type == "cpu" ? Type : $"{Type}:{Index}";
}
