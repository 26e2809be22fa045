using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Samples;
using ChatGLM.Samples.PTuning;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>The sample program, run with the recorded command lines of the script: it writes the recorded files.</summary>
public sealed class PTuningProgramTests(ITestOutputHelper output) : IDisposable
{
    private const string Kind = "ptuning_e2e";

    private readonly string _folder = Directory.CreateTempSubdirectory("chatglm-ptuning-program-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public async Task Trains_from_the_recorded_command_line(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tolerance = recorded.Json.GetProperty("tolerance");
        var expected = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        WriteInitialPrefix(recorded, expected, Path.Combine(_folder, "initial"));
        string[] words = [.. Words(recorded, "train_args"), "--ptuning_checkpoint", Path.Combine(_folder, "initial")];
        await Run(words, options => options with
        {
            Sampler = SamplerOfTheRecording,
            ComputeLoss = (trained, inputs) =>
            {
                trained.Module.Eval(); // the prefix was recorded without its dropout
                return trained.Forward(inputs).Loss!;
            },
        });

        var micro = tolerance.GetProperty("micro_loss").GetDouble();
        var results = Read("train_results.json");
        var recordedResults = recorded.ReadJson("train_results.json");
        Keys(results).Should().BeEquivalentTo(Keys(recordedResults));
        results.GetProperty("train_loss").GetDouble().Should().BeApproximately(recordedResults.GetProperty("train_loss").GetDouble(), micro);
        foreach (var name in new[] { "epoch", "train_samples" })
            results.GetProperty(name).GetDouble().Should().Be(recordedResults.GetProperty(name).GetDouble(), name);
        Keys(Read("all_results.json")).Should().BeEquivalentTo(Keys(results));

        var state = Read("trainer_state.json");
        foreach (var property in recorded.ReadJson("trainer_state.json").EnumerateObject().Where(p => p.Name != "log_history"))
            state.GetProperty(property.Name).GetRawText().Should().Be(property.Value.GetRawText(), property.Name);
        var history = state.GetProperty("log_history").EnumerateArray().Select(entry => entry.TryGetProperty("loss", out var loss) ? loss.GetDouble() : 0).ToArray();
        var recordedHistory = recorded.ReadJson("trainer_state.json").GetProperty("log_history").EnumerateArray().Select(entry => entry.TryGetProperty("loss", out var loss) ? loss.GetDouble() : 0).ToArray();
        history.Should().HaveCount(recordedHistory.Length);
        history.Zip(recordedHistory, (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(micro);

        var final = Closeness.From(tolerance.GetProperty("final"));
        foreach (var name in Directory.EnumerateDirectories(recorded.Folder, "checkpoint-*").Select(path => Path.GetFileName(path)!))
        {
            using var scope = new TensorScope();
            using var python = Checkpoint.Open(recorded.PathOf(name));
            using var ours = Checkpoint.Open(Path.Combine(_folder, "output", name));
            ours.Entries.Keys.Should().BeEquivalentTo(python.Entries.Keys);
            foreach (var key in python.Entries.Keys)
                final.Check($"{name}: {key}", ours.Read(key).ToArray<float>(), python.Read(key).ToArray<float>());
        }

        final.Report(output, $"{caseName}, checkpoints");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public async Task Predicts_from_the_recorded_command_line(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        // The script samples; the recording took the best token.
        await Run(Words(recorded, "predict_args"), options => options with { Generation = options.Generation! with { DoSample = false, TopP = 1, Temperature = 1 } });

        File.ReadAllText(Path.Combine(_folder, "output", "generated_predictions.txt")).Should().Be(File.ReadAllText(recorded.PathOf("generated_predictions.txt")));
        var results = Read("predict_results.json");
        var recordedResults = recorded.ReadJson("predict_results.json");
        Keys(results).Should().BeEquivalentTo([.. Keys(recordedResults), "predict_rouge-1", "predict_rouge-2", "predict_rouge-l"], "rouge was left out of the recording");
        results.GetProperty("predict_bleu-4").GetDouble().Should().BeApproximately(recordedResults.GetProperty("predict_bleu-4").GetDouble(), 1e-9);
        results.GetProperty("predict_samples").GetInt32().Should().Be(recordedResults.GetProperty("predict_samples").GetInt32());
    }

    private async Task Run(IReadOnlyList<string> words, Func<TrainerOptions, TrainerOptions> customize)
    {
        using var said = new StringWriter();
        using var errors = new StringWriter();
        var code = await SampleHost.RunAsync(PTuningCommand.Create(customize), () => PTuningCommand.Words(words), said, errors, CancellationToken.None);
        output.WriteLine(said.ToString());
        errors.ToString().Should().BeEmpty();
        code.Should().Be(0);
    }

    /// <summary>The recorded words, with folders that are here.</summary>
    private string[] Words(ConformanceCase recorded, string name)
    {
        var words = recorded.ReadJson("run.json").GetProperty(name).EnumerateArray().Select(word => word.GetString()!).ToArray();
        for (var i = 0; i + 1 < words.Length; i++)
        {
            words[i + 1] = words[i] switch
            {
                "--train_file" or "--validation_file" or "--test_file" => recorded.PathOf(words[i + 1]),
                "--model_name_or_path" => recorded.PathOf("base"),
                "--output_dir" => Path.Combine(_folder, "output"),
                "--ptuning_checkpoint" => recorded.PathOf(Path.GetFileName(words[i + 1])),
                _ => words[i + 1],
            };
        }

        return [.. words, "--tokenizer_name", TokenizerFolder(recorded), "--cache_dir", Path.Combine(_folder, "cache")];
    }

    /// <summary>The vocabulary of the base; where it has none of its own, that of the recorded tokenizers whose generation it is.</summary>
    private static string TokenizerFolder(ConformanceCase recorded)
    {
        if (Directory.EnumerateFiles(recorded.PathOf("base"), "*.model").Any())
            return recorded.PathOf("base");
        var generation = AutoConfig.FromPretrained(recorded.PathOf("base")) is ChatGLM6BConfig ? ChatGLMGeneration.ChatGLM6B : ChatGLMGeneration.ChatGLM2;
        return ConformanceFolder.OfKind("tokenizer").Select(other => other.Folder).First(folder => AutoTokenizer.FromPretrained(folder).Generation == generation);
    }

    private static void WriteInitialPrefix(ConformanceCase recorded, RecordedTensors expected, string folder)
    {
        const string Initial = "initial.";
        Directory.CreateDirectory(folder);
        using var scope = new TensorScope();
        var prefix = expected.Names.Where(name => name.StartsWith(Initial, StringComparison.Ordinal)).ToDictionary(
            name => name[Initial.Length..], name => Tensor.From(expected.Floats(name), new Shape([.. expected.Shape(name).Select(n => (int)n)])));
        prefix.Should().NotBeEmpty(recorded.Name);
        Safetensors.SaveFile(prefix, Path.Combine(folder, "model.safetensors"));
    }

    /// <summary>The run was recorded with a sampler that made its list before the loader drew the base seed of its workers; the trainer's own order is held to rng/orders.json.</summary>
    private static int[] SamplerOfTheRecording(int samples, TorchGenerator generator)
    {
        var order = new int[samples];
        new TorchGenerator((ulong)generator.NextInt64()).RandPerm(order);
        _ = generator.NextInt64();
        return order;
    }

    private JsonElement Read(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder, "output", file)));
        return document.RootElement.Clone();
    }

    private static string[] Keys(JsonElement json) => [.. json.EnumerateObject().Select(property => property.Name)];
}
