using ChatGLM.Generation;
using ChatGLM.Peft;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.LoraTrainer;

/// <summary>
/// The trainer's <c>inference.py</c>: one answer of the base with an adapter. Unlike there, the prompt stands in the template that the adapter was trained with, and a temperature above 0 samples.
/// </summary>
/// <param name="settings">What to ask whom.</param>
/// <param name="output">Where the answer goes.</param>
internal sealed class LoraInference(LoraSettings settings, TextWriter output)
{
    public void Run(CancellationToken cancellationToken)
    {
        if (settings.Temperature < 0)
            throw new TrainingArgumentsException("TEMPERATURE", $"expected 0 or more, found {settings.Temperature}.");
        if (!Directory.Exists(settings.LoraCheckpointDir))
            throw new TrainingArgumentsException("LORA_CHECKPOINT_DIR", $"there is no folder '{settings.LoraCheckpointDir}'. Training leaves adapters in OUTPUT_DIR/checkpoint-N and OUTPUT_DIR/model_final.");
        var tokenizer = AutoTokenizer.FromPretrained(settings.ModelName);
        using var model = AutoModel.FromPretrained(settings.ModelName, new ModelOptions { CancellationToken = cancellationToken });
        using var peft = PeftModel.FromPretrained(model, settings.LoraCheckpointDir);
        var prompt = settings.DataType == DataType.Txt ? LoraPrompt.TextHead + settings.Prompt : LoraPrompt.Question(settings.Prompt);
        var generation = model.GenerationConfig with
        {
            MaxLength = settings.CutoffLen,
            MaxNewTokens = null,
            DoSample = settings.Temperature > 0,
            Temperature = settings.Temperature > 0 ? settings.Temperature : 1,
        };
        var answer = peft.Generate(tokenizer, prompt, generation, cancellationToken).Text;
        output.WriteLine("### Answer:");
        output.WriteLine(answer.Replace("\nEND", "", StringComparison.Ordinal).Trim());
    }
}
