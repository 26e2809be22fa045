using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using ChatGLM.Tools.TrainDemo.Text;
using ChatGLM.Tools.TrainDemo.Training;

namespace ChatGLM.Tools.TrainDemo;

/// <summary>The commands of the tool.</summary>
internal static class DemoCommandLine
{
    private const int VoiceTrainRows = 400;
    private const int VoiceTestRows = 40;
    private const ulong VoiceSeed = 4;

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static RootCommand Create() => new("Makes the small demonstration model of the samples, with the project's own trainer.") { Train(), Measure(), Corpus(), VoiceRows() };

    /// <summary>A file of the voice as AdvertiseGen has its own: an object per line. Advertisements, Chinese and English answers take turns, so that the first rows show all of them.</summary>
    public static string VoiceFile(bool isHeldOut)
    {
        var rows = Voice.Rows(VoiceSeed, isHeldOut).DistinctBy(row => row.Key ?? row.Question).Take(isHeldOut ? VoiceTestRows : VoiceTrainRows);
        var mixed = rows.GroupBy(row => row.Question.Contains('#', StringComparison.Ordinal) ? 0 : row.IsChinese ? 1 : 2).OrderBy(kind => kind.Key).SelectMany(kind => kind.Select((row, at) => (Row: row, At: at))).OrderBy(pair => pair.At);
        return string.Concat(mixed.Select(pair => pair.Row).Select(row => JsonSerializer.Serialize(new { content = row.Question, summary = row.Answer }, Readable) + "\n"));
    }

    private static Command Train()
    {
        var defaults = new Recipe { Tokenizer = "", Output = "" };
        var tokenizer = new Option<DirectoryInfo>("--tokenizer") { Description = "A folder with tokenizer.model and tokenizer_config.json.", Required = true };
        var output = new Option<DirectoryInfo>("--output") { Description = "Where the snapshot is written.", Required = true };
        var steps = new Option<int>("--steps") { Description = "Optimizer steps.", DefaultValueFactory = _ => defaults.Steps };
        var batch = new Option<int>("--batch") { Description = "Conversations in a step.", DefaultValueFactory = _ => defaults.Batch };
        var learningRate = new Option<double>("--learning-rate") { Description = "The highest learning rate; it warms up and falls along a cosine.", DefaultValueFactory = _ => defaults.LearningRate };
        var seed = new Option<int>("--seed") { Description = "The seed of the text, of the weights and of the order.", DefaultValueFactory = _ => defaults.Seed };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; 0 for one per core. The result does not depend on it." };
        var command = new Command("train", "Trains the model from scratch.") { tokenizer, output, steps, batch, learningRate, seed, threads };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () => DemoTraining.Run(
                new Recipe
                {
                    Tokenizer = parsed.GetRequiredValue(tokenizer).FullName,
                    Output = parsed.GetRequiredValue(output).FullName,
                    Steps = parsed.GetValue(steps),
                    Batch = parsed.GetValue(batch),
                    LearningRate = parsed.GetValue(learningRate),
                    Seed = parsed.GetValue(seed),
                    Threads = parsed.GetValue(threads),
                },
                cancellationToken),
            cancellationToken));
        return command;
    }

    private static Command Measure()
    {
        var model = new Option<DirectoryInfo>("--model") { Description = "The snapshot.", Required = true };
        var count = new Option<int>("--count") { Description = "Rows of each kind.", DefaultValueFactory = _ => 200 };
        var show = new Option<int>("--show") { Description = "How many wrong answers of each kind are shown." };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; 0 for one per core." };
        var command = new Command("measure", "Measures the model on what was held out from its training.") { model, count, show, threads };
        command.SetAction(parsed =>
        {
            foreach (var set in Measurement.Of(parsed.GetRequiredValue(model).FullName, parsed.GetValue(count), parsed.GetValue(threads)))
            {
                Console.WriteLine(set);
                foreach (var wrong in set.Wrong(parsed.GetValue(show)))
                    Console.WriteLine(wrong);
            }
        });
        return command;
    }

    private static Command Corpus()
    {
        var command = new Command("corpus", "Writes the text that the tokenizer is trained on to standard output.");
        command.SetAction(_ =>
        {
            using var output = new StreamWriter(Console.OpenStandardOutput());
            foreach (var line in TokenizerCorpus.Lines((ulong)new Recipe { Tokenizer = "", Output = "" }.Seed))
                output.Write(line + "\n");
        });
        return command;
    }

    private static Command VoiceRows()
    {
        var output = new Option<DirectoryInfo>("--output") { Description = "Where train.json and test.json are written.", Required = true };
        var command = new Command("voice", "Writes the rows in a new voice that samples/QuickStart fine-tunes on.") { output };
        command.SetAction(parsed =>
        {
            var folder = parsed.GetRequiredValue(output).FullName;
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "train.json"), VoiceFile(isHeldOut: false));
            File.WriteAllText(Path.Combine(folder, "test.json"), VoiceFile(isHeldOut: true));
        });
        return command;
    }
}
