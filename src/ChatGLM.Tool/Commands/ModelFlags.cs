using System.CommandLine;
using ChatGLM.Hub;
using ChatGLM.Samples;
using ChatGLM.Tensors;
using ChatGLM.Tool.Models;

namespace ChatGLM.Tool.Commands;

/// <summary>The flags that say which model, from where, and how to hold it.</summary>
internal sealed class ModelFlags
{
    private readonly Option<string?> _model = new("--model", "-m") { HelpName = "folder|repo", Description = $"A snapshot folder, or a repo id such as THUDM/chatglm2-6b, which is downloaded if the cache does not hold it. Default: {ModelSettings.DemoName}, the small demonstration model inside this command." };
    private readonly Option<string[]> _adapters = new("--adapter", "-a") { HelpName = "folder|repo", Description = "An adapter to put on it: peft's, or a P-Tuning v2 checkpoint. May be given several times. Its base is the model, unless one is named." };
    private readonly Option<int?> _quantize = new("--quantize", "-q") { HelpName = "4|8", Description = "Hold the weights in groups of 4 or 8 bits (fast)." };
    private readonly Option<int?> _quantizationBit = new("--quantization-bit") { HelpName = "4|8", Description = "Hold them in 4 or 8 bits as the published quantized snapshots do." };
    private readonly Option<string?> _dtype = new("--dtype") { HelpName = "type", Description = "Convert the weights: float32, float16 or bfloat16. Default: as in the file, used in place." };
    private readonly Option<int> _threads = new("--threads", "-t") { HelpName = "number", Description = "How many threads compute. Default: one per core." };
    private readonly HubFlags _hub = new();

    public ModelFlags()
    {
        _quantize.AcceptOnlyFromAmong("4", "8");
        _quantizationBit.AcceptOnlyFromAmong("4", "8");
        _dtype.AcceptOnlyFromAmong("float32", "float16", "bfloat16");
        _model.CompletionSources.Add(_ => CachedModels.Names());
        _threads.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && (!int.TryParse(token.Value, out var threads) || threads is < 1 or > 1024))
                result.AddError($"--threads: expected 1 to 1024, found '{token.Value}'.");
        });
    }

    /// <summary>Adds them to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="adapters">Whether it takes adapters.</param>
    public ModelFlags AddTo(Command command, bool adapters = true)
    {
        command.Add(_model);
        if (adapters)
            command.Add(_adapters);
        command.Add(_quantize);
        command.Add(_quantizationBit);
        command.Add(_dtype);
        command.Add(_threads);
        _hub.AddTo(command);
        return this;
    }

    public ModelSettings Read(ParseResult parsed)
    {
        if (parsed.GetValue(_quantize) is not null && parsed.GetValue(_quantizationBit) is not null)
            throw new UsageException("--quantize and --quantization-bit are two ways to do the same: give one of them.");
        return new ModelSettings
        {
            Model = parsed.GetValue(_model),
            Adapters = parsed.GetValue(_adapters) ?? [],
            Quantize = parsed.GetValue(_quantize),
            QuantizationBit = parsed.GetValue(_quantizationBit),
            Dtype = parsed.GetValue(_dtype) is { } name ? Enum.Parse<DType>(name, ignoreCase: true) : null,
            Threads = parsed.GetValue(_threads),
            Hub = _hub.Read(parsed),
        };
    }
}
