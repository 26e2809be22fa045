using System.Text;
using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Whole generations of recorded snapshots, token for token: greedy, beams with their scores, and text sampled from a seed.</summary>
public sealed class GenerationTests(ITestOutputHelper output)
{
    [ConformanceTheory("model"), CasesOf("model")]
    public void Generate_gives_the_recorded_tokens(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        if (!recorded.Json.TryGetProperty("generation", out var file) || file.GetString() is not { } name)
            return;
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var inputs = recorded.Json.GetProperty("inputs");
        foreach (var input in recorded.ReadJson(name).EnumerateObject())
        {
            var tensors = RecordedTensors.Read(recorded.PathOf(inputs.GetProperty(input.Name).GetProperty("file").GetString()!));
            foreach (var variant in input.Value.GetProperty("variants").EnumerateObject())
            {
                var result = model.Generate(ModelTests.StepInputs("prompt.", tensors), Options(variant.Value.GetProperty("kwargs")));
                Compare($"{input.Name}/{variant.Name}", result, variant.Value, recorded.Json.GetProperty("tolerance"));
            }
        }
    }

    [ConformanceTheory("random_numbers"), CasesOf("random_numbers")]
    public void Generate_samples_the_recorded_tokens_from_a_seed(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        if (!File.Exists(recorded.PathOf("generation.json")))
            return;
        foreach (var run in recorded.ReadJson("generation.json").EnumerateArray())
        {
            var snapshot = run.GetProperty("snapshot").GetString()!;
            using var model = AutoModel.FromPretrained(recorded.PathOf(snapshot));
            var result = model.Generate(Prompt(run.GetProperty("prompt")), Options(run.GetProperty("kwargs")) with { Seed = run.GetProperty("seed").GetInt64() });
            Compare($"{snapshot} seed {run.GetProperty("seed")}", result, run, null);
        }
    }

    private void Compare(string what, GenerationResult result, JsonElement expected, JsonElement? tolerance)
    {
        var sequences = expected.GetProperty("sequences").EnumerateArray().Select(Ints).ToArray();
        result.Sequences.Should().HaveCount(sequences.Length, "{0} returns as many sequences", what);
        for (var row = 0; row < sequences.Length; row++)
            result.Sequences[row].Should().Equal(sequences[row], "{0}, sequence {1}", what, row);
        if (expected.TryGetProperty("sequences_scores", out var scores) && tolerance is { } closeTo)
        {
            var closeness = Closeness.From(closeTo.GetProperty("logits"));
            closeness.Check($"{what} scores", result.SequencesScores!.ToArray(), scores.EnumerateArray().Select(s => s.GetSingle()).ToArray());
            closeness.Report(output, $"{what} scores");
        }

        output.WriteLine($"{what}: {sequences.Length} sequences, {sequences.Sum(s => s.Length)} tokens, no difference");
    }

    private static GenerationConfig Options(JsonElement kwargs) => GenerationConfig.FromJson(Encoding.UTF8.GetBytes(kwargs.GetRawText()), "kwargs");

    internal static ModelInputs IdsOnly(JsonElement ids) => new() { InputIds = Read(ids) };

    private static ModelInputs Prompt(JsonElement prompt) => new()
    {
        InputIds = Read(prompt.GetProperty("input_ids")),
        AttentionMask = prompt.TryGetProperty("attention_mask", out var mask) ? Read(mask) : null,
        PositionIds = prompt.TryGetProperty("position_ids", out var positions) ? Read(positions) : null,
    };

    /// <summary>Nested lists of integers or bools as a tensor.</summary>
    private static Tensor Read(JsonElement nested)
    {
        var lengths = new List<int>();
        var at = nested;
        for (; at.ValueKind == JsonValueKind.Array; at = at[0])
            lengths.Add(at.GetArrayLength());
        var leaves = Leaves(nested).ToArray();
        var shape = new Shape(lengths.ToArray());
        return at.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? Tensor.From(Array.ConvertAll(leaves, leaf => leaf.GetBoolean()), shape)
            : Tensor.From(Array.ConvertAll(leaves, leaf => leaf.GetInt64()), shape);
    }

    private static IEnumerable<JsonElement> Leaves(JsonElement nested) =>
        nested.ValueKind == JsonValueKind.Array ? nested.EnumerateArray().SelectMany(Leaves) : [nested];

    private static int[] Ints(JsonElement list) => list.EnumerateArray().Select(n => n.GetInt32()).ToArray();
}
