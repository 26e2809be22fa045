namespace ChatGLM.Formats;

/// <summary>How a checkpoint's weights are stored.</summary>
public enum CheckpointFormat
{
    /// <summary>safetensors files, mapped and used in place.</summary>
    Safetensors,

    /// <summary>Files of <c>torch.save</c> (<c>.bin</c>, <c>.pt</c>).</summary>
    PyTorch,

    /// <summary>A GGUF file of llama.cpp, mapped and used in place.</summary>
    Gguf,
}
