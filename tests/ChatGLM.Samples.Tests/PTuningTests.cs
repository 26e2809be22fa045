using System.Text.Json;
using ChatGLM.Models;

namespace ChatGLM.Samples.Tests;

public sealed class PTuningTests : IDisposable
{
    private readonly SampleRun _run = new();

    public void Dispose() => _run.Dispose();

    /// <summary>THUDM's train.sh and evaluate.sh with smaller numbers. The development set has fewer than 50 rows, over which a published script stumbled.</summary>
    [Fact]
    public void The_scripts_train_and_evaluate()
    {
        string[] common =
        [
            "--overwrite_cache", "--prompt_column", "content", "--response_column", "summary", "--output_dir", "output/adgen", "--overwrite_output_dir", "--max_source_length", "32",
            "--max_target_length", "32", "--per_device_eval_batch_size", "4", "--predict_with_generate", "--pre_seq_len", "8", "--quantization_bit", "4",
        ];
        string[] train =
        [
            "--do_train", "--train_file", SampleRun.Data("train.json"), "--validation_file", SampleRun.Data("dev.json"), "--preprocessing_num_workers", "10", .. common,
            "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "2", "--max_steps", "4", "--logging_steps", "2", "--save_steps", "2", "--learning_rate", "2e-2",
        ];
        var (code, output, error) = _run.Run("PTuning", train);
        error.Should().BeEmpty();
        code.Should().Be(0);
        output.Should().Contain("Quantized to 4 bit").And.MatchRegex(@"training [\d,]+ of [\d,]+ parameters; weights", "that is the memory plan").And.Contain("***** train metrics *****");
        Keys("train_results.json").Should().BeEquivalentTo("epoch", "train_loss", "train_runtime", "train_samples", "train_samples_per_second", "train_steps_per_second");
        Directory.Exists(_run.PathOf("output", "adgen", "checkpoint-2")).Should().BeTrue();
        File.Exists(_run.PathOf("output", "adgen", "trainer_state.json")).Should().BeTrue();

        string[] evaluate =
        [
            "--do_predict", "--do_eval", "--validation_file", SampleRun.Data("dev.json"), "--test_file", SampleRun.Data("dev.json"), "--ptuning_checkpoint", "output/adgen/checkpoint-4",
            "--max_predict_samples", "7", .. common,
        ];
        (code, output, error) = _run.Run("PTuning", evaluate);
        error.Should().BeEmpty();
        code.Should().Be(0);
        string[] metrics = ["rouge-1", "rouge-2", "rouge-l", "bleu-4", "runtime", "samples", "samples_per_second", "steps_per_second"];
        Keys("predict_results.json").Should().BeEquivalentTo(metrics.Select(name => "predict_" + name));
        Keys("eval_results.json").Should().BeEquivalentTo(["epoch", .. metrics.Select(name => "eval_" + name)]);
        Keys("all_results.json").Should().Contain(["train_loss", "predict_rouge-l", "eval_bleu-4"]);
        var lines = File.ReadAllLines(_run.PathOf("output", "adgen", "generated_predictions.txt"));
        lines.Should().HaveCount(7);
        lines[0].Should().StartWith("{\"labels\": \"这款").And.Contain("\", \"predict\": \"");
        // The same seed gives the same answers.
        _run.Run("PTuning", evaluate).ExitCode.Should().Be(0);
        File.ReadAllLines(_run.PathOf("output", "adgen", "generated_predictions.txt")).Should().Equal(lines);
    }

    [Fact]
    public void A_json_file_stands_for_the_flags_and_the_whole_model_can_be_trained()
    {
        File.WriteAllText(_run.PathOf("arguments.json"), $$"""
            {"do_train": true, "train_file": {{JsonSerializer.Serialize(SampleRun.Data("train.json"))}}, "output_dir": "out", "max_source_length": 24, "max_target_length": 24, "max_steps": 1,
             "per_device_train_batch_size": 2, "save_steps": 1, "learning_rate": 1e-4, "fp16": true, "report_to": [], "max_train_samples": 10, "gradient_checkpointing": false}
            """);
        var (code, _, error) = _run.Run("PTuning", ["arguments.json"]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        new FileInfo(_run.PathOf("out", "checkpoint-1", "model.safetensors")).Length.Should().BeGreaterThan(1 << 20, "it holds the whole model");
        using var results = JsonDocument.Parse(File.ReadAllBytes(_run.PathOf("out", "train_results.json")));
        results.RootElement.GetProperty("train_samples").GetInt32().Should().Be(10);

        // evaluate_finetune.sh loads the checkpoint as a model.
        (code, _, error) = _run.Run("PTuning",
        [
            "--do_predict", "--test_file", SampleRun.Data("dev.json"), "--model_name_or_path", "out/checkpoint-1", "--output_dir", "out", "--max_source_length", "24", "--max_target_length", "8",
            "--max_predict_samples", "2", "--predict_with_generate", "--fp16_full_eval",
        ]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        File.ReadAllLines(_run.PathOf("out", "generated_predictions.txt")).Should().HaveCount(2);
    }

    [Fact]
    public void A_run_that_is_interrupted_saves_a_checkpoint_and_goes_on_from_it()
    {
        string[] words =
        [
            "--do_train", "--train_file", SampleRun.Data("train.json"), "--output_dir", "out", "--max_source_length", "32", "--max_target_length", "32", "--pre_seq_len", "4",
            "--per_device_train_batch_size", "1", "--learning_rate", "1e-2", "--save_steps", "2",
        ];
        var (code, error) = _run.Interrupt("PTuning", [.. words, "--max_steps", "100000"], Path.Combine("out", "checkpoint-2"));
        code.Should().Be(130);
        error.Should().Contain("Stopping after this step").And.Contain("checkpoint-").And.Contain("go on");
        var last = Directory.EnumerateDirectories(_run.PathOf("out"), "checkpoint-*").Select(path => int.Parse(path[(path.LastIndexOf('-') + 1)..], System.Globalization.CultureInfo.InvariantCulture)).Max();
        (code, var output, error) = _run.Run("PTuning", [.. words, "--max_steps", $"{last + 1}", "--resume_from_checkpoint", "true"]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        output.Should().Contain($"step {last}");
    }

    /// <summary>finetune_pt_multiturn.sh and finetune_pt.sh of ChatGLM3, on a snapshot of that generation.</summary>
    [Theory]
    [InlineData("multi-turn", """{"tools": [{"name": "f"}], "conversations": [{"role": "user", "content": "q"}, {"role": "tool", "name": "f", "parameters": {"x": 1}, "observation": "o"}, {"role": "assistant", "content": "a"}]}""")]
    [InlineData("input-output", """{"prompt": "q", "response": "a"}""")]
    public void The_scripts_of_the_third_generation_train(string format, string record)
    {
        MakeThirdGeneration(_run.PathOf("glm3"));
        File.WriteAllLines(_run.PathOf("data.jsonl"), [record, record]);
        string[] words =
        [
            "--train_format", format, "--train_file", "data.jsonl", "--max_seq_length", "160", "--preprocessing_num_workers", "1", "--model_name_or_path", "glm3", "--output_dir", "out",
            "--max_source_length", "16", "--max_target_length", "16", "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "2", "--logging_steps", "1", "--save_steps", "1",
            "--learning_rate", "2e-2", "--pre_seq_len", "4", "--resume_from_checkpoint", "True",
        ];
        var (code, _, error) = _run.Run("PTuning", [.. words, "--max_steps", "1"]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        File.Exists(_run.PathOf("out", "pytorch_model.bin")).Should().BeTrue();
        (code, var output, _) = _run.Run("PTuning", [.. words, "--max_steps", "2"]);
        code.Should().Be(0);
        output.Should().Contain("Going on from");
    }

    [Fact]
    public void Help_names_every_flag()
    {
        var (code, output, _) = _run.Run("PTuning", ["--help"]);
        code.Should().Be(0);
        foreach (var flag in new[] { "--pre_seq_len", "--ptuning_checkpoint", "--quantization_bit", "--history_column", "--source_prefix", "--learning_rate", "--gradient_accumulation_steps", "--predict_with_generate" })
            output.Should().Contain(flag);
    }

    [Theory]
    [InlineData(2, "*--train_file*", "--do_train", "--output_dir", "out")]
    [InlineData(2, "*no file 'missing.json'*", "--do_train", "--output_dir", "out", "--train_file", "missing.json")]
    [InlineData(2, "*--lerning_rate*no such flag*", "--do_train", "--output_dir", "out", "--lerning_rate", "1")]
    [InlineData(2, "*learning_rate*'fast'*", "--do_train", "--output_dir", "out", "--learning_rate", "fast")]
    [InlineData(2, "*'x'*", "--do_train", "--output_dir", "out", "--pre_seq_len", "x")]
    [InlineData(2, "*output_dir*", "--do_train")]
    [InlineData(2, "*quantization_bit*pre_seq_len*", "--do_train", "--output_dir", "out", "--train_file", "bad.json", "--quantization_bit", "4")]
    [InlineData(2, "*quantization_bit*4 or 8*", "--do_train", "--output_dir", "out", "--train_file", "bad.json", "--quantization_bit", "3", "--pre_seq_len", "4")]
    [InlineData(2, "*dataset_name*files*", "--do_train", "--output_dir", "out", "--dataset_name", "x")]
    [InlineData(2, "*missing.json*", "missing.json")]
    [InlineData(1, "*bad.json, record 2 (line 2, byte *", "--do_train", "--output_dir", "out", "--train_file", "bad.json", "--pre_seq_len", "4")]
    [InlineData(1, "*column 'question'*content*", "--do_train", "--output_dir", "out", "--train_file", "good.json", "--pre_seq_len", "4", "--prompt_column", "question", "--response_column", "summary")]
    [InlineData(1, "*no-such-model*", "--do_train", "--output_dir", "out", "--train_file", "bad.json", "--pre_seq_len", "4", "--model_name_or_path", "./no-such-model")]
    public void What_is_wrong_is_said_with_an_exit_code(int expected, string message, params string[] words)
    {
        const string Good = "{\"content\": \"q\", \"summary\": \"a\"}\n";
        File.WriteAllText(_run.PathOf("good.json"), Good);
        File.WriteAllText(_run.PathOf("bad.json"), Good + "{\"content\": \n");
        var (code, _, error) = _run.Run("PTuning", words);
        error.Should().Match(message).And.NotContain("   at ");
        code.Should().Be(expected);
    }

    /// <summary>A snapshot with roles: random weights, and the vocabulary of the tokenizers' tests.</summary>
    private static void MakeThirdGeneration(string folder)
    {
        var config = new ChatGLM2Config
        {
            PaddedVocabSize = 8192, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 512, MultiQueryGroupNum = 2,
        };
        using (var model = AutoModel.FromConfig(config, new ModelOptions { Seed = 3 }))
            model.SavePretrained(folder);
        File.Copy(Path.Combine(SampleRun.RepositoryRoot, "tests", "ChatGLM.Core.Tests", "Data", "bpe.model"), Path.Combine(folder, "tokenizer.model"));
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"name_or_path": "THUDM/chatglm3-6b", "tokenizer_class": "ChatGLMTokenizer"}""");
    }

    private string[] Keys(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(_run.PathOf("output", "adgen", file)));
        return [.. document.RootElement.EnumerateObject().Select(property => property.Name)];
    }
}
