using ChatGLM.Tools.TrainDemo.Training;

namespace ChatGLM.Samples.Tests;

/// <summary>The recipe of the snapshot, shortened.</summary>
public sealed class RecipeTests
{
    [Fact]
    public void The_same_seed_makes_the_same_files_whatever_the_number_of_threads()
    {
        using var folder = new TemporaryFolder();
        var (first, second, other) = (Train(folder, "first", 7, threads: 1), Train(folder, "second", 7, threads: 2), Train(folder, "other", 8, threads: 2));
        first.Keys.Should().BeEquivalentTo("config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json");
        foreach (var (name, bytes) in first)
            second[name].Should().Equal(bytes, "{0} is made from the seed alone", name);
        other["model.safetensors"].Should().NotEqual(first["model.safetensors"]);
    }

    private static Dictionary<string, byte[]> Train(TemporaryFolder folder, string name, int seed, int threads)
    {
        var output = Path.Combine(folder.Path, name);
        DemoTraining.Run(new Recipe { Tokenizer = DemoFolders.Snapshot, Output = output, Steps = 3, Batch = 2, Seed = seed, Threads = threads }, CancellationToken.None);
        return Directory.GetFiles(output).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes);
    }
}
