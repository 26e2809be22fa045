namespace ChatGLM.Formats;

/// <summary>A <c>torch.device</c> such as <c>cpu</c> or <c>cuda:0</c>; of no meaning here, but state files mention it.</summary>
internal sealed record TorchDevice(string Name);
