using ChatGLM.Tensors;

namespace ChatGLM.Batching;

/// <summary>A page of keys and values that sequences and the tree of prefixes share. Only the sequence that it was made for writes to it, and only while nobody else has it.</summary>
internal sealed class CachePage(KeyValuePage page)
{
    public KeyValuePage Page => page;

    /// <summary>How many hold it.</summary>
    public int References { get; set; } = 1;
}
