using System.Text.Json.Nodes;
using ChatGLM.Extensions.AI.Tests;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Tool.Tests;

public sealed class EvaluateTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task Answers_are_compared_as_THUDMs_script_does()
    {
        var data = _tool.Write("data.jsonl", string.Join('\n', new[] { ("What is the capital of France?", "The capital of France is Paris."), ("What is the capital of Japan?", "It is Tokyo."), ("你好", "你好！") }
            .Select(row => new JsonObject { ["prompt"] = row.Item1, ["response"] = row.Item2 }.ToJsonString())));
        (await _tool.RunAsync("evaluate", "-d", data, "--greedy", "-o", _tool.PathOf("predictions.txt"), "--json", "--batch-size", "2")).Should().Be(0, "{0}", _tool.Error);
        var rows = File.ReadAllLines(_tool.PathOf("predictions.txt")).Select(line => JsonNode.Parse(line)!).Select(row => (row["predict"]!.GetValue<string>(), row["labels"]!.GetValue<string>())).ToList();
        rows.Select(row => row.Item2).Should().Equal("The capital of France is Paris.", "It is Tokyo.", "你好！");
        rows[0].Item1.Should().Be("The capital of France is Paris.");
        foreach (var (name, value) in Seq2SeqMetrics.Compute(rows, new JiebaSegmenter()))
            _tool.Json[name]!.GetValue<double>().Should().BeApproximately(value, 1e-9, name);
        _tool.Json["answers"]!.GetValue<int>().Should().Be(3);
        (await _tool.RunAsync("evaluate", "-d", data, "--greedy", "--max-samples", "1")).Should().Be(0);
        _tool.Output.Should().MatchRegex(@"rouge-1 +100\.0000  \(1 answers\)");
    }

    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM6B)]
    [InlineData(ChatGLMGeneration.ChatGLM2)]
    [InlineData(ChatGLMGeneration.ChatGLM3)]
    public async Task Perplexity_is_that_of_the_scores_token_by_token(ChatGLMGeneration generation)
    {
        using var snapshot = new TinySnapshot(generation);
        const string Words = "The quick brown fox jumps over the lazy dog, and then it rests for a while beside the river.";
        var file = _tool.Write("text.txt", Words);
        (await _tool.RunAsync("evaluate", "-m", snapshot.Path, "--text", file, "--window", "16", "--stride", "5", "--json")).Should().Be(0, "{0}", _tool.Error);
        var tokenizer = AutoTokenizer.FromPretrained(snapshot.Path);
        var ids = tokenizer.Encode(Words, null, new EncodeOptions { AddSpecialTokens = false });
        _tool.Json["tokens"]!.GetValue<int>().Should().Be(ids.Length).And.BeGreaterThan(20, "the window has to move");
        var expected = Plain(snapshot.Path, tokenizer, ids, window: 16, stride: 5);
        _tool.Json["perplexity"]!.GetValue<double>().Should().BeApproximately(expected, expected * 1e-5);
    }

    [Fact]
    public async Task A_model_is_less_surprised_by_what_it_has_learned()
    {
        var perplexities = new List<double>();
        foreach (var text in new[] { "The capital of France is Paris.", "Paris capital is of France The." })
        {
            (await _tool.RunAsync("evaluate", "--text", _tool.Write("text.txt", text), "--json")).Should().Be(0, "{0}", _tool.Error);
            perplexities.Add(_tool.Json["perplexity"]!.GetValue<double>());
        }

        perplexities[0].Should().BeLessThan(perplexities[1] / 3);
    }

    [Fact]
    public async Task Data_without_known_columns_is_refused()
    {
        (await _tool.RunAsync("evaluate", "-d", _tool.Write("data.jsonl", "{\"a\": \"1\", \"b\": \"2\"}"))).Should().Be(1);
        _tool.Error.Should().Contain("expected columns");
        (await _tool.RunAsync("evaluate", "-d", _tool.PathOf("data.jsonl"), "--prompt-column", "a", "--response-column", "b", "--greedy", "--max-target-length", "4")).Should().Be(0, "{0}", _tool.Error);
        (await _tool.RunAsync("evaluate", "--text", _tool.Write("empty.txt", ""))).Should().Be(2);
        (await _tool.RunAsync("evaluate", "--text", _tool.Write("text.txt", "x"), "--stride", "2000")).Should().Be(2);
    }

    /// <summary>The same without batches or labels: each token by a pass of its own over what stands before it.</summary>
    private static double Plain(string folder, ChatGLMTokenizer tokenizer, int[] ids, int window, int stride)
    {
        using var model = AutoModel.FromPretrained(folder);
        var head = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B ? new[] { tokenizer.GMaskTokenId, tokenizer.BosTokenId } : tokenizer.Encode("");
        using var noGrad = GradMode.NoGrad();
        var (sum, start) = (0.0, 0);
        for (var at = 0; at < ids.Length; at++)
        {
            while (at >= start + window - head.Length)
                start += stride;
            using var scope = new TensorScope();
            long[] before = [.. head.Select(id => (long)id), .. ids[start..at].Select(id => (long)id)];
            using var output = model.Forward(new ModelInputs { InputIds = Tensor.From(before, [1, before.Length]), LastLogitsOnly = true });
            var scores = output.Logits.ToFloatArray();
            var largest = scores.Max();
            sum += Math.Log(scores.Sum(score => Math.Exp(score - largest))) + largest - scores[ids[at]];
        }

        return Math.Exp(sum / ids.Length);
    }
}
