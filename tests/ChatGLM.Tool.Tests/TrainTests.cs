using System.Text.Json.Nodes;

namespace ChatGLM.Tool.Tests;

public sealed class TrainTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    private string[] Alpaca => ["train", "alpaca", "--output-dir", _tool.PathOf("out"), "--lora-r=4", "--per-device-train-batch-size", "2", "--gradient_accumulation_steps", "1"];

    [Fact]
    public async Task A_trained_adapter_can_be_used_at_once()
    {
        (await _tool.RunAsync([.. Alpaca, "--max-steps", "2", "--model_name_or_path", "demo"])).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Contain("***** train metrics *****").And.Contain($"The adapter is in {_tool.PathOf("out")}");
        _tool.Error.Should().Contain("step 2/2", "progress is on the error output").And.NotContain("\u001b");
        (await _tool.RunAsync("chat", "-a", _tool.PathOf("out"), "-p", "你好", "--greedy")).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().NotBeEmpty();
    }

    [Fact]
    public async Task Programs_get_the_metrics()
    {
        (await _tool.RunAsync([.. Alpaca, "--max-steps", "2", "--json"])).Should().Be(0, "{0}", _tool.Error);
        _tool.Json["output_dir"]!.GetValue<string>().Should().Be(_tool.PathOf("out"));
        _tool.Json["metrics"]!["train_loss"]!.GetValue<double>().Should().BePositive();
        _tool.Json["metrics"]!["eval_loss"]!.GetValue<double>().Should().BePositive();
        var steps = _tool.Error.Split('\n').Where(line => line.StartsWith("{\"event\":\"progress\"", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line)!).ToList();
        steps[^1]["done"]!.GetValue<int>().Should().Be(2);
        steps[^1]["total"]!.GetValue<int>().Should().Be(2);
    }

    [Fact]
    public async Task Ctrl_C_saves_a_checkpoint_that_a_run_goes_on_from()
    {
        _tool.Watch = (console, inner) => new PressingWriter(inner, "\"done\":1,", () => console.Interruption.Press());
        (await _tool.RunAsync([.. Alpaca, "--max-steps", "400", "--json"])).Should().Be(130, "{0}", _tool.Error);
        var message = JsonNode.Parse(_tool.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1])!["message"]!.GetValue<string>();
        message.Should().Contain("checkpoint");
        var saved = Directory.GetDirectories(_tool.PathOf("out"), "checkpoint-*").Should().ContainSingle().Subject;
        var step = int.Parse(saved[(saved.LastIndexOf('-') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
        _tool.Watch = null;
        (await _tool.RunAsync([.. Alpaca, "--max-steps", $"{step + 1}", "--resume_from_checkpoint", "true", "--json"])).Should().Be(0, "{0}", _tool.Error);
        _tool.Error.Should().Contain($"Going on from {saved}");
    }

    [Fact]
    public async Task The_script_of_P_tuning_trains_and_predicts()
    {
        var data = Path.Combine(Path.GetDirectoryName(ToolRun.Demo)!, "Data", "alpaca_data.json");
        var arguments = _tool.Write("arguments.json", new JsonObject
        {
            ["do_train"] = true, ["do_predict"] = true, ["train_file"] = data, ["test_file"] = data, ["max_train_samples"] = 4, ["max_predict_samples"] = 2, ["output_dir"] = _tool.PathOf("out"), ["pre_seq_len"] = 4,
            ["max_source_length"] = 32, ["max_target_length"] = 16, ["max_steps"] = 1, ["save_steps"] = 1, ["predict_with_generate"] = true, ["per_device_train_batch_size"] = 2, ["model_name_or_path"] = ToolRun.Demo,
        }.ToJsonString());
        (await _tool.RunAsync("train", "ptuning", arguments)).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Contain("***** train metrics *****").And.Contain("***** predict metrics *****").And.Contain("predict_rouge-1");
        File.ReadAllLines(_tool.PathOf("out", "generated_predictions.txt")).Should().HaveCount(2);
        (await _tool.RunAsync("chat", "-a", _tool.PathOf("out", "checkpoint-1"), "-p", "你好", "--greedy", "-n", "8")).Should().Be(0, "a prefix is an adapter too: {0}", _tool.Error);
        (await _tool.RunAsync("merge", "-m", "demo", "-a", _tool.PathOf("out", "checkpoint-1"), "-o", _tool.PathOf("new"))).Should().Be(2);
        _tool.Error.Should().Contain("no weight can hold");
    }

    [Fact]
    public async Task The_trainer_with_capitals_trains_and_answers()
    {
        (await _tool.RunAsync("train", "lora", "--EPOCHS", "0.3", "--OUTPUT_DIR", _tool.PathOf("out"), "--MODEL_NAME", "demo", "--CUTOFF_LEN", "48", "--BIT_8", "false")).Should().Be(0, "{0}", _tool.Error);
        Directory.Exists(_tool.PathOf("out", "model_final")).Should().BeTrue();
        (await _tool.RunAsync("train", "lora", "inference", "--LORA_CHECKPOINT_DIR", _tool.PathOf("out", "model_final"), "--PROMPT", "Say", "hello", "--CUTOFF_LEN", "110")).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().StartWith("### Answer:");
    }
}
