using ChatGLM.Models;
using ChatGLM.Peft.Tests.Tuners;

namespace ChatGLM.Peft.Tests;

/// <summary>Files with flipped bytes and cut ends: each loads, or is refused by an error of ours; nothing else comes out, and the model stays as it was.</summary>
public sealed class HostileFilesTests
{
    private const int Tries = 400;

    public static TheoryData<string> Kinds => TunerCase.Names();

    [Theory]
    [InlineData("adapter_config.json")]
    [InlineData("adapter_model.safetensors")]
    public void Damaged_bytes_are_refused_or_harmless(string name) =>
        DamageAndLoad(new LoraConfig { R = 2, TargetModules = ["query_key_value"], LayersToTransform = [0], RankPattern = new Dictionary<string, int> { ["dense"] = 2 } }, name, Tries);

    [Theory, MemberData(nameof(Kinds))]
    public void Damaged_configurations_of_every_kind_are_refused_or_harmless(string kind)
    {
        const int Few = 80;
        var config = TunerCase.All[kind].Random with { TargetModules = ["query_key_value"] };
        DamageAndLoad(config is Ia3Config ia3 ? ia3 with { FeedforwardModules = [] } : config, "adapter_config.json", Few);
    }

    private static void DamageAndLoad(PeftConfig config, string name, int tries)
    {
        using var folder = new TemporaryFolder();
        using (var peft = TinyModels.Create(2).GetPeftModel(config))
            peft.SavePretrained(folder.Path);
        var original = File.ReadAllBytes(folder[name]);
        var random = new Random(11);
        using var model = TinyModels.Create(2);
        var names = model.NamedParameters().Select(p => p.Name).ToArray();
        var refused = 0;
        for (var i = 0; i < tries; i++)
        {
            File.WriteAllBytes(folder[name], Damage(original, random));
            try
            {
                PeftModel.FromPretrained(model, folder.Path).Unload();
            }
            catch (ChatGLMException)
            {
                refused++;
            }

            model.NamedParameters().Select(p => p.Name).Should().Equal(names);
        }

        refused.Should().BeGreaterThan(tries / 10);
    }

    private static byte[] Damage(byte[] original, Random random)
    {
        var bytes = original.ToArray();
        if (random.Next(4) == 0)
            return bytes[..random.Next(bytes.Length)];
        // Most of the harm is in the text: in a weight file the header.
        var end = Math.Min(bytes.Length, 800);
        for (var flips = random.Next(1, 4); flips > 0; flips--)
            bytes[random.Next(end)] = (byte)(random.Next(2) == 0 ? random.Next(256) : "{}[]\":,0195-e"[random.Next(13)]);
        return bytes;
    }
}
