using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Tools.TrainDemo.Text;
using ChatGLM.Training;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>Trains the demonstration model from scratch and writes it as a float16 snapshot.</summary>
internal static class DemoTraining
{
    public static void Run(Recipe recipe, CancellationToken cancellationToken)
    {
        var tokenizer = (ChatGLM2Tokenizer)AutoTokenizer.FromPretrained(recipe.Tokenizer);
        var backend = new CpuBackend(new CpuBackendOptions { Threads = recipe.Threads });
        using var model = AutoModel.FromConfig(Recipe.Architecture(tokenizer.VocabSize), new ModelOptions { Seed = (ulong)recipe.Seed, Backend = backend });
        var rows = new ConversationRows(tokenizer);
        var data = new Conversations().Train((ulong)recipe.Seed).Take(recipe.Steps * recipe.Batch).Select(rows.Row).ToList();
        Console.WriteLine($"{model.NamedParameters().Sum(p => p.Parameter.ElementCount):N0} parameters; {data.Count:N0} conversations, {data.Sum(row => row.InputIds.Length):N0} tokens, {data.Sum(row => row.Labels!.Count(label => label >= 0)):N0} of them to learn");

        var work = Directory.CreateTempSubdirectory("train-demo-").FullName;
        try
        {
            var trainer = new Trainer(model, Arguments(recipe, work), data, options: new TrainerOptions { DataCollator = new DataCollatorForSeq2Seq(tokenizer) });
            trainer.Train(cancellationToken: cancellationToken);
            trainer.SaveModel(work);
            using var half = AutoModel.FromPretrained(work, new ModelOptions { Dtype = DType.Float16 });
            half.SavePretrained(recipe.Output);
            tokenizer.SavePretrained(recipe.Output);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }

        Console.WriteLine($"wrote {recipe.Output}");
    }

    private static TrainingArguments Arguments(Recipe recipe, string folder) => new()
    {
        OutputDir = folder,
        MaxSteps = recipe.Steps,
        PerDeviceTrainBatchSize = recipe.Batch,
        LearningRate = recipe.LearningRate,
        LrSchedulerType = SchedulerType.Cosine,
        WarmupSteps = Math.Max(1, recipe.Steps / 50),
        AdamBeta2 = 0.98,
        WeightDecay = 0.01,
        GroupByLength = true,
        LoggingSteps = 50,
        SaveStrategy = IntervalStrategy.No,
        Seed = recipe.Seed,
    };
}
