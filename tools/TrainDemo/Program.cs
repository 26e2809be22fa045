using System.CommandLine;
using ChatGLM.Tools.TrainDemo;

var tokenizer = new Option<DirectoryInfo>("--tokenizer") { Description = "A folder with tokenizer.model and tokenizer_config.json.", Required = true };
var output = new Option<DirectoryInfo>("--output") { Description = "Where the snapshot is written.", Required = true };
var steps = new Option<int>("--steps") { Description = "Optimizer steps.", DefaultValueFactory = _ => 2000 };
var batch = new Option<int>("--batch") { Description = "Questions in a step.", DefaultValueFactory = _ => 32 };
var learningRate = new Option<double>("--learning-rate") { Description = "The highest learning rate; it warms up and falls along a cosine.", DefaultValueFactory = _ => 2e-3 };
var seed = new Option<int>("--seed") { Description = "The seed of the weights and of the order of the questions.", DefaultValueFactory = _ => 42 };

var command = new RootCommand("Trains the small demonstration model of the samples from scratch, with the project's own engine.") { tokenizer, output, steps, batch, learningRate, seed };
command.SetAction(parsed => DemoTraining.Run(new DemoOptions(
    parsed.GetRequiredValue(tokenizer).FullName,
    parsed.GetRequiredValue(output).FullName,
    parsed.GetValue(steps),
    parsed.GetValue(batch),
    parsed.GetValue(learningRate),
    (ulong)parsed.GetValue(seed))));
return command.Parse(args).Invoke();
