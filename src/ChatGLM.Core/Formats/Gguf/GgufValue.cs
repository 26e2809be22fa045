namespace ChatGLM.Formats;

/// <summary>A metadata value, where it lies in the file: checked, and read when it is asked for.</summary>
/// <param name="Type">Its type; of an array, that of the elements.</param>
/// <param name="IsArray">Whether it is an array.</param>
/// <param name="Count">Its elements: 1 unless it is an array.</param>
/// <param name="Offset">The byte at which the first element begins.</param>
internal readonly record struct GgufValue(GgufType Type, bool IsArray, long Count, long Offset);
