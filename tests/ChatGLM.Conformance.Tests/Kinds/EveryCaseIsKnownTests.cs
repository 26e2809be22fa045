using ChatGLM.Conformance.Tests.Infrastructure;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>A recorded case of a kind that nothing here knows must not pass unnoticed.</summary>
public sealed class EveryCaseIsKnownTests
{
    /// <summary>The kinds that a test class in this folder runs.</summary>
    private static readonly HashSet<string> Run =
    [
        "model", "logits_processing", "tokenizer", "random_numbers", "torch_bin_reader", "safetensors_reader",
        "shard_index", "quantized_snapshot", "int4_packing", "ptuning_v2", "lora", "lora_multi",
        "lora_training", "schedules_and_optimizers", "ptuning_e2e", "IA3",
        "PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING",
    ];

    [Fact]
    public void Every_case_has_a_kind_that_is_run() =>
        ConformanceFolder.All.Where(c => !Run.Contains(c.Kind)).Select(c => $"{c.Name}: {c.Kind}")
            .Should().BeEmpty();
}
