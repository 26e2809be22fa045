using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;

namespace ChatGLM.Fuzz.Targets;

internal static class ZipTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
        [TorchFiles.Zip(), TorchFiles.Zip(deflate: true), TorchFiles.Zip(zip64: true), TorchFiles.Zip(deflate: true, zip64: true), new ZipWriter().ToArray()];

    public static void Read(byte[] bytes)
    {
        using var region = ByteRegion.Copy("fuzz", bytes);
        Touch.All(TorchFile.Open(region).Root);
    }

    /// <summary>Sound archives around damaged content: the checksum of a damaged archive would keep most damage from the readers inside.</summary>
    public static byte[] Grammar(FuzzRandom random)
    {
        var pickle = random.Below(3) switch
        {
            0 => PickleTarget.Grammar(random),
            1 => Mutator.Mutate(TorchFiles.StateDict(), PickleTarget.Seeds, random),
            _ => TorchFiles.StateDict(),
        };
        var zip = new ZipWriter { Zip64 = random.OneIn(3) }.Add("archive/data.pkl", pickle, random.OneIn(2));
        foreach (var (key, bytes) in TorchFiles.Storages())
        {
            if (!random.OneIn(10))
                zip.Add("archive/data/" + key, random.OneIn(10) ? bytes[..random.Below(bytes.Length)] : bytes, random.OneIn(2), random.OneIn(10) ? 0u : null);
        }

        if (random.OneIn(3))
            zip.Add(random.Of(["archive/byteorder", "archive/data/0", "../x", "/x", "archive/constants.pkl", "b/data.pkl", "a\\b", ""]), "little"u8.ToArray());
        if (random.OneIn(100))
            zip.Add("archive/data/2", new byte[256 << 10], deflate: true);
        return zip.ToArray();
    }
}
