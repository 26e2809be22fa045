using System.CommandLine;
using System.Diagnostics;
using ChatGLM;
using ChatGLM.Models;
using ChatGLM.Tensors;

var family = new Option<string>("--family") { Description = "chatglm (ChatGLM-6B) or chatglm2 (ChatGLM2-6B and ChatGLM3-6B).", Required = true };
family.AcceptOnlyFromAmong("chatglm", "chatglm2");
var output = new Option<DirectoryInfo>("--output") { Description = "Where the snapshot is written.", Required = true };
var layers = new Option<int?>("--layers") { Description = "Fewer layers than the published model's 28." };
var dtype = new Option<string>("--dtype") { Description = "The element type of the weights.", DefaultValueFactory = _ => "bfloat16" };
dtype.AcceptOnlyFromAmong("float32", "float16", "bfloat16");
var seed = new Option<int>("--seed") { Description = "The seed of the weights.", DefaultValueFactory = _ => 0 };

var command = new RootCommand("Writes a snapshot of a published model's shape with random weights: for trying memory and speed without a download.") { family, output, layers, dtype, seed };
command.SetAction(parsed =>
{
    var clock = Stopwatch.StartNew();
    ChatGLMConfig config = parsed.GetRequiredValue(family) == "chatglm" ? new ChatGLM6BConfig() : new ChatGLM2Config();
    if (parsed.GetValue(layers) is { } count)
        config = config with { NumLayers = count };
    using var model = AutoModel.FromConfig(config, new ModelOptions { Dtype = Enum.Parse<DType>(parsed.GetRequiredValue(dtype), ignoreCase: true), Seed = (ulong)parsed.GetValue(seed) });
    Console.WriteLine($"{model.NamedParameters().Sum(p => p.Parameter.ElementCount):N0} parameters made in {clock.Elapsed.TotalSeconds:F0} s");
    model.SavePretrained(parsed.GetRequiredValue(output).FullName);
    Console.WriteLine($"written in {clock.Elapsed.TotalSeconds:F0} s: {parsed.GetRequiredValue(output).FullName}");
});
return command.Parse(args).Invoke();
