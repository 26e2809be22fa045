using System.Buffers.Binary;
using System.Text;

namespace ChatGLM.Fuzz.Files;

/// <summary>Small safetensors files put together from text.</summary>
public static class SafetensorsFiles
{
    public static byte[] Make(string header, int dataBytes = 0) => Make(Encoding.UTF8.GetBytes(header), new byte[dataBytes]);

    public static byte[] Make(byte[] header, byte[] data)
    {
        var file = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)header.Length);
        header.CopyTo(file, 8);
        data.CopyTo(file, 8 + header.Length);
        return file;
    }
}
