using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;

namespace ChatGLM.Fuzz.Targets;

internal static class TorchLegacyTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } = [TorchFiles.Legacy(), TorchFiles.Legacy(new PickleWriter().Proto().Op('N').Stop().ToArray(), [])];

    public static void Read(byte[] bytes)
    {
        using var region = ByteRegion.Copy("fuzz", bytes);
        Touch.All(TorchFile.Open(region).Root);
    }

    public static byte[] Grammar(FuzzRandom random)
    {
        var storages = TorchFiles.Storages()
            .Select(s => (random.OneIn(10) ? random.Of(["2", "", "0"]) : s.Key, random.OneIn(10) ? (long)random.Edge() : s.Key == "0" ? 6 : 4, s.Bytes))
            .Take(random.OneIn(6) ? random.Below(2) : 2).ToList();
        if (random.OneIn(3))
            storages.Reverse();
        var pickle = random.OneIn(3) ? Mutator.Mutate(TorchFiles.StateDict(legacy: true), PickleTarget.Seeds, random) : TorchFiles.StateDict(legacy: true);
        return TorchFiles.Legacy(pickle, storages);
    }
}
