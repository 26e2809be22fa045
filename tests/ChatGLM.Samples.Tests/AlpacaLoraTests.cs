using System.Text.Json;

namespace ChatGLM.Samples.Tests;

public sealed class AlpacaLoraTests : IDisposable
{
    private readonly SampleRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Trains_and_evaluates_on_its_own_data()
    {
        var (code, output, error) = _run.Run("AlpacaLora", ["--r", "8", "--num_train_epochs", "2", "--val_set_size", "6", "--output_dir", "out"]);
        error.Should().BeEmpty();
        code.Should().Be(0);
        output.Should().Contain("45 rows to train on, 6 to evaluate on");
        using var state = JsonDocument.Parse(File.ReadAllBytes(_run.PathOf("out", "trainer_state.json")));
        var losses = state.RootElement.GetProperty("log_history").EnumerateArray().Where(entry => entry.TryGetProperty("eval_loss", out _)).Select(entry => entry.GetProperty("eval_loss").GetDouble()).ToArray();
        losses.Should().HaveCountGreaterThan(2);
        losses[^1].Should().BeLessThan(losses[0], "it has learned");
        using var config = JsonDocument.Parse(File.ReadAllBytes(_run.PathOf("out", "adapter_config.json")));
        config.RootElement.GetProperty("r").GetInt32().Should().Be(8);
        config.RootElement.GetProperty("lora_alpha").GetDouble().Should().Be(32);
        config.RootElement.GetProperty("lora_dropout").GetDouble().Should().BeApproximately(0.1, 1e-7);
        File.Exists(_run.PathOf("out", "adapter_model.safetensors")).Should().BeTrue();
    }

    [Theory]
    [InlineData(2, "*data_path*", "--data_path", "missing.json")]
    [InlineData(2, "*val_set_size*", "--val_set_size", "1000")]
    [InlineData(2, "*--rank*no such flag*", "--rank", "8")]
    [InlineData(1, "*bad.json, record 1*", "--data_path", "bad.json")]
    public void What_is_wrong_is_said_with_an_exit_code(int expected, string message, params string[] words)
    {
        File.WriteAllText(_run.PathOf("bad.json"), "[{\"instruction\": \"q\"}]");
        var (code, _, error) = _run.Run("AlpacaLora", words);
        error.Should().Match(message).And.NotContain("   at ");
        code.Should().Be(expected);
    }
}
