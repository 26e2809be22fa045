using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>One tensor of a GGUF file.</summary>
/// <param name="Name">Its name there, such as <c>blk.0.attn_qkv.weight</c>.</param>
/// <param name="DType">The element type; uint8 for blocks.</param>
/// <param name="Blocks">The format of its blocks, or null for plain numbers.</param>
/// <param name="Shape">The sizes, outermost first: the file has them the other way round.</param>
/// <param name="Offset">The byte in the file at which it begins.</param>
/// <param name="LengthInBytes">Its bytes.</param>
internal sealed record GgufTensor(string Name, DType DType, BlockFormat? Blocks, long[] Shape, long Offset, long LengthInBytes);
