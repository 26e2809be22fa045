using System.CommandLine;

namespace ChatGLM.Samples.QuickStart;

/// <summary>The flags of the sample.</summary>
internal static class QuickStartCommandLine
{
    public static RootCommand Create(Func<QuickStartOptions, CancellationToken, Task<int>> run)
    {
        var defaults = new QuickStartOptions();
        var model = new Option<string>("--model", "-m") { Description = "A snapshot folder, or a repo id. Default: the small model inside this sample." };
        var train = new Option<FileInfo>("--train-file") { Description = "JSON lines with content and summary to learn from. Default: 400 rows in a new voice." };
        var test = new Option<FileInfo>("--test-file") { Description = "JSON lines with content and summary to measure with. Default: 40 other rows." };
        var output = new Option<DirectoryInfo>("--output", "-o") { Description = "Where the adapter is written. Default: a new temporary folder." };
        var steps = Positive("--steps", "Optimizer steps.", defaults.Steps);
        var batch = Positive("--batch-size", "Rows in a step.", defaults.BatchSize);
        var rank = Positive("--rank", "The rank of the LoRA adapter.", defaults.Rank);
        var learningRate = new Option<double>("--learning-rate") { Description = "The highest learning rate.", DefaultValueFactory = _ => defaults.LearningRate };
        var logging = new Option<int?>("--logging-steps") { Description = "A line, and a point of the loss curve, after every so many steps. Default: five in all." };
        var seed = new Option<int>("--seed") { Description = "The same seed gives the same adapter.", DefaultValueFactory = _ => defaults.Seed };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; 0 for one per core. The result does not depend on it." };

        var command = new RootCommand("Chats with a small ChatGLM2, teaches it a new voice with LoRA, and keeps what it learned: about a minute from beginning to end.")
        {
            model, train, test, output, steps, batch, rank, learningRate, logging, seed, threads,
        };
        command.SetAction((parsed, cancellationToken) => run(
            new QuickStartOptions
            {
                Model = parsed.GetValue(model) ?? defaults.Model,
                TrainFile = parsed.GetValue(train)?.FullName ?? defaults.TrainFile,
                TestFile = parsed.GetValue(test)?.FullName ?? defaults.TestFile,
                Output = parsed.GetValue(output)?.FullName,
                Steps = parsed.GetValue(steps),
                BatchSize = parsed.GetValue(batch),
                Rank = parsed.GetValue(rank),
                LearningRate = parsed.GetValue(learningRate),
                LoggingSteps = parsed.GetValue(logging),
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads),
            },
            cancellationToken));
        return command;
    }

    private static Option<int> Positive(string name, string description, int otherwise)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value < 1)
                result.AddError($"{name}: expected 1 or more, found {value}.");
        });
        return option;
    }
}
