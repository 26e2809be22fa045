using ChatGLM.Models;

namespace ChatGLM.Peft.Tests;

/// <summary>Files with flipped bytes and cut ends: each loads, or is refused by an error of ours; nothing else comes out, and the model stays as it was.</summary>
public sealed class HostileFilesTests
{
    private const int Tries = 400;

    [Theory]
    [InlineData("adapter_config.json")]
    [InlineData("adapter_model.safetensors")]
    public void Damaged_bytes_are_refused_or_harmless(string name)
    {
        using var folder = new TemporaryFolder();
        using (var peft = TinyModels.Create(2).GetPeftModel(new LoraConfig { R = 2, TargetModules = ["query_key_value"], LayersToTransform = [0], RankPattern = new Dictionary<string, int> { ["dense"] = 2 } }))
            peft.SavePretrained(folder.Path);
        var original = File.ReadAllBytes(folder[name]);
        var random = new Random(11);
        using var model = TinyModels.Create(2);
        var names = model.NamedParameters().Select(p => p.Name).ToArray();
        var refused = 0;
        for (var i = 0; i < Tries; i++)
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

        refused.Should().BeGreaterThan(Tries / 10);
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
