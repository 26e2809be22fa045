using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>One tensor of a safetensors header; the offsets count from the end of the header.</summary>
internal sealed record SafetensorsEntry(string Name, DType DType, long[] Shape, long Begin, long End)
{
    public long LengthInBytes => End - Begin;
}
