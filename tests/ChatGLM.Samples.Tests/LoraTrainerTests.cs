namespace ChatGLM.Samples.Tests;

public sealed class LoraTrainerTests : IDisposable
{
    private readonly SampleRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("json", "train_data.json")]
    [InlineData("txt", "train_data.txt")]
    public void Trains_with_flags_and_variables_and_answers(string type, string file)
    {
        string[] train =
        [
            "--MICRO_BATCH_SIZE", "4", "--BATCH_SIZE", "8", "--EPOCHS", "2", "--LEARNING_RATE", "2e-3", "--CUTOFF_LEN", "96", "--LORA_R", "4", "--OUTPUT_DIR", "./output_model",
            "--DATA_PATH", SampleRun.Data(file), "--DATA_TYPE", type, "--SAVE_STEPS", "2", "--SAVE_TOTAL_LIMIT", "2",
        ];
        var (code, output, error) = _run.Run("LoraTrainer", train, ("WARMUP_STEPS", "1"), ("LORA_R", "2"), ("LOGGING_STEPS", "1"));
        error.Should().BeEmpty();
        code.Should().Be(0);
        output.Should().Contain("trainable params").And.Contain("loss").And.Contain("model_final");
        File.ReadAllText(_run.PathOf("output_model", "model_final", "adapter_config.json")).Should().Contain("\"r\": 4", "a flag goes before a variable");
        Directory.EnumerateDirectories(_run.PathOf("output_model"), "checkpoint-*").Should().HaveCount(2);

        (code, output, error) = _run.Run(
            "LoraTrainer", ["inference", "--CUTOFF_LEN", "96", "--DATA_TYPE", type, "--LORA_CHECKPOINT_DIR", "output_model/checkpoint-6/", "--PROMPT", "How", "many", "days", "are", "in", "a", "week?"]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        output.Should().StartWith("### Answer:");
    }

    [Theory]
    [InlineData(2, "*DATA_PATH*missing*", "--DATA_PATH", "missing.json")]
    [InlineData(2, "*DATA_TYPE*json or txt*xml*", "--DATA_TYPE", "xml")]
    [InlineData(2, "*BATCH_SIZE*2*", "--MICRO_BATCH_SIZE", "4", "--BATCH_SIZE", "2")]
    [InlineData(2, "*EPOCHS*'many'*", "--EPOCHS", "many")]
    [InlineData(2, "*--EPOCH*", "--EPOCH", "3")]
    [InlineData(2, "*LORA_CHECKPOINT_DIR*", "inference", "--PROMPT", "x")]
    public void What_is_wrong_is_said_with_an_exit_code(int expected, string message, params string[] words)
    {
        var (code, _, error) = _run.Run("LoraTrainer", words);
        error.Should().Match(message).And.NotContain("   at ");
        code.Should().Be(expected);
    }
}
