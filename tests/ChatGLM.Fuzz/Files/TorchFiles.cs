using System.Buffers.Binary;

namespace ChatGLM.Fuzz.Files;

/// <summary>Small files as torch.save writes them.</summary>
public static class TorchFiles
{
    /// <summary>A state dict of two tensors on two storages (0: 6 floats, 1: 4 halves) and one tied to the first.</summary>
    public static byte[] StateDict(bool legacy = false) => new PickleWriter().Proto().Op('}').Mark()
        .Text("a.weight").Tensor("0", "FloatStorage", 6, 0, [2, 3], [3, 1], legacy)
        .Text("b.bias").Tensor("1", "HalfStorage", 4, 0, [4], [1], legacy)
        .Text("tied").Tensor("0", "FloatStorage", 6, 0, [3, 2], [1, 3], legacy)
        .Op('u').Stop().ToArray();

    public static byte[] Floats(params ReadOnlySpan<float> values)
    {
        var bytes = new byte[4 * values.Length];
        for (var i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), values[i]);
        return bytes;
    }

    /// <summary>A zip with a pickle and its storages.</summary>
    public static byte[] Zip(byte[] pickle, IEnumerable<(string Key, byte[] Bytes)> storages, bool deflate = false, bool zip64 = false)
    {
        var zip = new ZipWriter { Zip64 = zip64 }.Add("archive/data.pkl", pickle, deflate);
        foreach (var (key, bytes) in storages)
            zip.Add("archive/data/" + key, bytes, deflate);
        return zip.Add("archive/version", "3\n"u8.ToArray(), deflate).ToArray();
    }

    public static byte[] Zip(bool deflate = false, bool zip64 = false) => Zip(StateDict(), Storages(), deflate, zip64);

    /// <summary>The form before PyTorch 1.6: magic, protocol, system, pickle, keys, storages one after the other.</summary>
    public static byte[] Legacy(byte[] pickle, IReadOnlyList<(string Key, long Count, byte[] Bytes)> storages)
    {
        var file = new MemoryStream();
        file.Write(new PickleWriter().Proto().Op(0x8A).Op(10).Raw([0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]).Stop().ToArray());
        file.Write(new PickleWriter().Proto().Int(1001).Stop().ToArray());
        file.Write(new PickleWriter().Proto().Op('}').Mark().Text("protocol_version").Int(1001).Text("little_endian").Op(0x88).Op('u').Stop().ToArray());
        file.Write(pickle);
        var keys = new PickleWriter().Proto().Op(']').Mark();
        foreach (var (key, _, _) in storages)
            keys.Text(key);
        file.Write(keys.Op('e').Stop().ToArray());
        Span<byte> number = stackalloc byte[8];
        foreach (var (_, count, bytes) in storages)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, count);
            file.Write(number);
            file.Write(bytes);
        }

        return file.ToArray();
    }

    public static byte[] Legacy() => Legacy(StateDict(legacy: true), [("0", 6, Storages()[0].Bytes), ("1", 4, Storages()[1].Bytes)]);

    /// <summary>The bytes for <see cref="StateDict"/>.</summary>
    public static IReadOnlyList<(string Key, byte[] Bytes)> Storages() =>
        [("0", Floats(1, 2, 3, 4, 5, 6)), ("1", [0x00, 0x3C, 0x00, 0x40, 0x00, 0x42, 0x00, 0x44])];
}
